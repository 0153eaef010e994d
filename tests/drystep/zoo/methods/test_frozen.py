"""Methods that train parts of a model: the parameters that arithmetic says, in models that are really built."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import nn

from tests.drystep.zoo.steps import build_step, loaded

SIZE = (64, 64)


def _trained(spec: str, method: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, nn.Parameter]:
    """Path -> parameter of what the optimizer of the code trains."""
    made: list[torch.optim.Optimizer] = []
    models: list[nn.Module] = []

    class Noted(torch.optim.AdamW):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    original: Callable[..., nn.Module] = nn.Module.train

    def train(module: nn.Module, mode: bool = True) -> nn.Module:
        if not models:
            models.append(module)
        return original(module, mode)

    monkeypatch.setattr(torch.optim, "AdamW", Noted)
    monkeypatch.setattr(nn.Module, "train", train)
    build_step(spec, SIZE, method=method, classes=7)(torch.device("cpu"))
    (optimizer,) = made
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return {name: parameter for name, parameter in models[0].named_parameters() if id(parameter) in trained}


@pytest.mark.parametrize(
    ("spec", "head"),
    [("timm:test_vit", "head"), ("timm:test_resnet", "fc"), ("timm:test_convnext", "head.fc"),
     ("torchvision:squeezenet1_1", "classifier.1")],
)  # fmt: skip
def test_a_linear_probe_trains_the_head_alone(spec: str, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _trained(spec, "head", monkeypatch).keys() == {f"{head}.weight", f"{head}.bias"}


def test_bitfit_of_a_vit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Width 64, six blocks: biases of two norms, qkv, the projection and two layers of the MLP; those around them."""
    trained = _trained("timm:test_vit", "bitfit", monkeypatch)
    assert all(name.endswith("bias") or name.startswith("head.") for name in trained)
    width, hidden, blocks, classes = 64, 192, 6, 7
    in_blocks = blocks * (2 * width + 3 * width + width + hidden + width)
    around = width + width  # of the patches and the last norm
    head = width * classes + classes
    assert sum(parameter.numel() for parameter in trained.values()) == in_blocks + around + head


def test_norms_of_a_vit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirteen layers' weights and biases of width 64, and the head."""
    trained = _trained("timm:test_vit", "norm", monkeypatch)
    assert sum(parameter.numel() for parameter in trained.values()) == (2 * 6 + 1) * 2 * 64 + 64 * 7 + 7


def test_norms_of_a_resnet_are_its_batch_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    model = timm.create_model("test_resnet")
    norms = {name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    trained = _trained("timm:test_resnet", "norm", monkeypatch)
    assert trained.keys() == {f"{path}.{part}" for path in norms | {"fc"} for part in ("weight", "bias")}


@pytest.mark.parametrize("number", [1, 3])
def test_the_last_blocks_of_a_vit(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = _trained("timm:test_vit", f"last-{number}", monkeypatch)
    assert {name.rsplit(".", 1)[0] for name in trained if name.startswith("head")} == {"head"}
    blocks = {name.split(".")[1] for name in trained if name.startswith("blocks")}
    assert blocks == {str(block) for block in range(6 - number, 6)}
    width, hidden = 64, 192
    layers = 2 * 2 * width + 4 * width * width + 4 * width + 2 * width * hidden + hidden + width
    in_blocks = sum(parameter.numel() for name, parameter in trained.items() if name.startswith("blocks"))
    assert in_blocks == number * layers


def test_everything_trains_with_full(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_trained("timm:test_convnext", "full", monkeypatch)) > 20


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        ("timm:test_vit", {"method": "last-7"}, "trains 1 to 6 blocks of this model, not 7"),
        ("timm:test_vit", {"method": "last-0"}, "trains 1 to 6 blocks"),
        ("torchvision:vgg11", {"method": "last-1"}, "needs a model with repeated blocks"),
        ("torchvision:raft_small", {"method": "head"}, "needs a model with a head"),
        ("timm:test_vit", {"method": "head", "method_options": {"rank": 4}}, "method head has no option rank"),
        ("timm:test_vit", {"method": "nothing"}, "unknown method 'nothing': choose from full, head, .*lora"),
    ],
)
def test_refusals(spec: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loaded(spec, **settings)
