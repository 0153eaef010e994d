"""Methods of peft: their code, simulated, and run on the CPU, has the same peak; and it is what peft's users write."""

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from drystep import Simulation, simulate
from tests.drystep.real_runs.comparison import peak_bytes, traces
from tests.drystep.zoo.steps import GPU, build_step, loaded, simulated

peft = pytest.importorskip("peft")

SPEC, SIZE = "timm:test_vit", (64, 64)
RUNS = ("lora", "dora", "ia3", "vera", "adalora", "boft")
UNLIKE_A_GPU = {
    "adalora": "peft copies the number of ranks to a GPU as a new parameter, which trains; the CPU needs no copy",
}
"""Method -> why the CPU allocates other memory than a GPU for it."""
ALWAYS = ("lora", "ia3")


def _marks(method: str) -> list[pytest.MarkDecorator]:
    marks = [] if method in ALWAYS else [pytest.mark.nightly]
    if method in UNLIKE_A_GPU:
        marks.append(pytest.mark.xfail(strict=True, reason=UNLIKE_A_GPU[method], raises=AssertionError))
    return marks


def _trained_bytes(simulation: Simulation) -> int:
    """Bytes of what trains: half of the state of AdamW."""
    return sum(part.requested_bytes for part in simulation.trace.allocations if part.category == "optimizer_state") // 2


@pytest.mark.filterwarnings("ignore::UserWarning")  # BOFT computes without its CUDA extension, and says so
@pytest.mark.parametrize("method", [pytest.param(name, marks=_marks(name)) for name in RUNS])
def test_the_simulated_peak_is_that_of_a_real_run(method: str) -> None:
    step = build_step(SPEC, SIZE, method=method, fused_attention="off")
    simulation, real = traces(step)
    assert peak_bytes(simulation) == peak_bytes(real)


def _lora_by_hand(device: torch.device) -> Callable[[], object]:
    import timm

    with torch.device(device):
        model = timm.create_model("test_vit", num_classes=7, img_size=64)
    model = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["qkv"], modules_to_save=["head"]))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    images, labels = torch.rand(2, 3, 64, 64, device=device), torch.zeros(2, dtype=torch.int64, device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return step


def test_lora_by_hand_is_that_of_the_code() -> None:
    of_code = simulated(SPEC, SIZE, classes=7, method="lora", method_options={"rank": 4})
    by_hand = simulate(_lora_by_hand, gpus=(GPU,))
    assert by_hand.peak_allocated_bytes == of_code.peak_allocated_bytes
    assert by_hand.peak_reserved_bytes == of_code.peak_reserved_bytes


@pytest.mark.parametrize("rank", [1, 16])
def test_lora_trains_two_matrices_beside_each_projection(rank: int) -> None:
    """Six blocks, qkv of 64 x 192, and a head of 64 x 7."""
    simulation = simulated(SPEC, SIZE, classes=7, method="lora", method_options={"rank": rank})
    assert _trained_bytes(simulation) == 4 * (6 * rank * (64 + 192) + 64 * 7 + 7)


def test_ia3_trains_a_scale_of_each_projection_and_of_each_hidden_input() -> None:
    """Six blocks: 192 outputs of qkv, and 192 inputs of the second layer of the MLP."""
    simulation = simulated(SPEC, SIZE, classes=7, method="ia3")
    assert _trained_bytes(simulation) == 4 * (6 * (192 + 192) + 64 * 7 + 7)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("lora", {"rank": 0}, "rank must be between 1 and 65536, got 0"),
        ("ia3", {"rank": 4}, "method ia3 has no rank"),
        ("lora", {"targets": ["q_proj"]}, "no module of the model is named q_proj: its modules are .*qkv"),
        (
            "lora",
            {"alpha": 4},
            "method lora has no option alpha: it has rank, targets and the fields of peft.LoraConfig",
        ),
    ],
)
def test_refusals(method: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loaded(SPEC, SIZE, method=method, method_options=options)


def test_peft_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "peft" else find(name, *more))
    with pytest.raises(ValueError, match="method lora needs the package peft"):
        loaded(SPEC, SIZE, method="lora")


def test_fields_of_the_configuration_are_options() -> None:
    source = loaded(SPEC, SIZE, method="lora", method_options={"lora_alpha": 32, "use_rslora": True}).source
    assert "lora_alpha=32, use_rslora=True" in source


def test_swin_of_torchvision_has_adapters_beside_layers_that_run() -> None:
    """Its attention reads the weights of its layers, which no adapter can stand beside."""
    assert 'target_modules=["mlp.0", "mlp.3", "reduction"]' in loaded("torchvision:swin_t", method="lora").source
