"""What a trained state holds, and that it alone restores a model."""

import copy
import re

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from e3va.backbones.trained_state import STATISTICS, load_trainable_state_dict, trainable_state_dict


def _model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    first, second = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 2, 1, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(4), second, nn.BatchNorm2d(2, affine=False))


def _freeze(model: nn.Module, name: str) -> nn.Module:
    model.get_submodule(name).requires_grad_(False)
    return model


def _train(model: nn.Module, steps: int = 3) -> None:
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(5 + 3 * torch.randn(2, 3, 8, 8)) * torch.randn(2, 2, 6, 6)).sum().backward()
        optimizer.step()


def _of(norm: str) -> set[str]:
    return {f"{norm}.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


@pytest.mark.parametrize("training", [True, False])
def test_holds_what_trains_and_the_statistics_of_norms(training: bool) -> None:
    state = trainable_state_dict(_freeze(_model(), "0").train(training))
    assert state.keys() == {"1.weight", "1.bias", "2.weight"} | _of("1") | _of("3")


def test_frozen_weights_do_not_stop_statistics() -> None:
    """In training mode a batch norm gathers statistics whether its weights train or not."""
    model = _freeze(_model(), "1")
    before = copy.deepcopy(model.state_dict())
    _train(model)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == trainable_state_dict(model).keys()
    assert _of("1") < changed and "1.weight" not in changed


@pytest.mark.parametrize(
    ("norm", "held"),
    [
        (nn.BatchNorm1d(4), {"weight", "bias", *STATISTICS}),
        (nn.InstanceNorm2d(4, track_running_stats=True), set(STATISTICS)),
        (nn.BatchNorm2d(4, track_running_stats=False), {"weight", "bias"}),
        (FrozenBatchNorm2d(4), set()),  # buffers of the same names, which nothing changes
        (nn.LayerNorm(4), {"weight", "bias"}),
    ],
)
def test_only_statistics_that_are_tracked_are_held(norm: nn.Module, held: set[str]) -> None:
    assert trainable_state_dict(norm).keys() == held


def test_state_alone_restores_a_model_with_norms() -> None:
    trained, fresh = _freeze(_model(), "0"), _freeze(_model(), "0")
    _train(trained)
    load_trainable_state_dict(fresh, copy.deepcopy(trainable_state_dict(trained)))
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(fresh.eval()(images), trained.eval()(images), rtol=0, atol=0)


def test_a_mean_over_all_batches_goes_on_where_it_was() -> None:
    """Without a momentum the statistics are means over all batches, so their number must come back as well."""
    trained = nn.BatchNorm1d(1, momentum=None)
    trained(torch.tensor([[0.0], [2.0]]))  # means 1, 5 and 9
    trained(torch.tensor([[4.0], [6.0]]))
    fresh = nn.BatchNorm1d(1, momentum=None)
    load_trainable_state_dict(fresh, trainable_state_dict(trained))
    fresh(torch.tensor([[8.0], [10.0]]))
    assert fresh.running_mean.item() == pytest.approx((1 + 5 + 9) / 3)


def test_errors_name_what_is_missing_and_what_is_unexpected() -> None:
    model = _freeze(_model(), "0")
    before = copy.deepcopy(model.state_dict())
    state = {name: tensor + 1 for name, tensor in trainable_state_dict(model).items()}
    del state["1.running_var"], state["2.weight"]
    wrong: dict[str, Tensor] = {**state, "0.weight": torch.zeros(4, 3, 3, 3)}
    expected = "missing ['1.running_var', '2.weight'], unexpected ['0.weight']"
    with pytest.raises(ValueError, match=re.escape(expected)):
        load_trainable_state_dict(model, wrong)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
