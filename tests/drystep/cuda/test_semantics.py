import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drystep.cuda.meta_operators import MetaOperators
from drystep.cuda.rewrites import REWRITES
from drystep.cuda.semantics import semantics
from drystep.trace.recorder import OperatorRules, record

META = torch.device("meta")


def _sizes(build) -> dict[str, list[int]]:
    """Bytes of the allocations of one step on meta, by operator."""
    with semantics("torch-2.11", "fp32", META):
        trace = record(build, META, 1, OperatorRules(MetaOperators(), REWRITES))
    sizes: dict[str, list[int]] = {}
    for allocation in trace.allocations:
        sizes.setdefault(trace.operators[allocation.operator].name, []).append(allocation.requested_bytes)
    return sizes


def test_dropout_keeps_a_mask_of_one_byte() -> None:
    def build(device: torch.device):
        x = torch.empty(1000, device=device, requires_grad=True)
        return lambda: F.dropout(x, 0.1)

    assert _sizes(build)["native_dropout.default"] == [4000, 1000]


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.5, False)])
def test_dropout_that_does_nothing_allocates_nothing(p: float, training: bool) -> None:
    def build(device: torch.device):
        x = torch.empty(1000, device=device, requires_grad=True)
        return lambda: F.dropout(x, p, training)

    assert "native_dropout.default" not in _sizes(build)


def test_dropout_still_drops_and_scales() -> None:
    with semantics("torch-2.11", "fp32", torch.device("cpu")):
        x = torch.ones(10_000, requires_grad=True)
        y = nn.Dropout(0.25)(x)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert 0.2 < (y == 0).float().mean() < 0.3
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_optimizers_choose_foreach_as_on_cuda() -> None:
    def build(device: torch.device):
        parameters = [torch.empty(100, device=device, requires_grad=True) for _ in range(3)]
        optimizer = torch.optim.AdamW(parameters)

        def step() -> None:
            for parameter in parameters:
                parameter.grad = torch.empty_like(parameter)
            optimizer.step()

        return step

    assert _sizes(build)["_foreach_sqrt.default"] == [400, 400, 400]  # a temporary as large as all parameters


def test_convolutions_copy_a_gradient_of_another_layout() -> None:
    def build(device: torch.device):
        conv = nn.Conv2d(4, 8, 3, padding=1).to(device)
        x = torch.empty(2, 4, 5, 5, device=device)
        return lambda: conv(x).permute(0, 2, 3, 1).contiguous().sum().backward()

    sizes = _sizes(build)
    assert 2 * 8 * 5 * 5 * 4 in sizes["clone.default"]
    assert sizes["convolution_backward.default"] == [8 * 4 * 9 * 4, 8 * 4]
    assert "new_empty_strided.default" not in sizes  # the weight's gradient has the weight's layout


def test_layer_norm_returns_contiguous_gradients() -> None:
    def build(device: torch.device):
        x = torch.empty(2, 5, 6, 8, device=device, requires_grad=True)
        norm = nn.LayerNorm(8).to(device)
        return lambda: norm(x).permute(0, 3, 1, 2).contiguous().square().sum().backward()

    sizes = _sizes(build)
    assert sizes["native_layer_norm_backward.default"] == [2 * 5 * 6 * 8 * 4, 32, 32]
    assert "new_empty_strided.default" not in sizes


@pytest.mark.parametrize(
    ("profile", "precision", "message"),
    [
        ("torch-1.0", "fp32", "unknown profile 'torch-1.0': did you mean torch-2.11. choose from torch-2.11"),
        ("torch-2.11", "fp4", "unknown precision 'fp4': choose from fp32"),
    ],
)
def test_unknown_names(profile: str, precision: str, message: str) -> None:
    with pytest.raises(ValueError, match=message), semantics(profile, precision, META):
        pass


def test_everything_is_as_before_afterwards() -> None:
    with semantics("torch-2.11", "fp32", META):
        pass
    parameter = torch.empty(4, device=META, requires_grad=True)
    parameter.grad = torch.empty_like(parameter)
    optimizer = torch.optim.AdamW([parameter])
    with torch.autograd.profiler.profile() as profile:
        optimizer.step()
    assert not any("foreach_sqrt" in event.name for event in profile.function_events)
