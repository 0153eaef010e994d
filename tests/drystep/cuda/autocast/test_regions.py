import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from drystep.cuda.semantics import semantics
from drystep.simulator import trace_steps

META = torch.device("meta")


def test_regions_of_the_step_itself_cast() -> None:
    linear = nn.Linear(4, 4, device="meta")
    x = torch.empty(2, 4, device="meta")
    with semantics("torch-2.11", "fp32", META):
        assert linear(x).dtype == torch.float32
        with torch.autocast("cuda"):
            assert linear(x).dtype == torch.float16
            with torch.autocast("meta", dtype=torch.bfloat16):
                assert linear(x).dtype == torch.bfloat16
            with torch.autocast("cuda", enabled=False):
                assert linear(x).dtype == torch.float32
            assert linear(x).dtype == torch.float16
        assert linear(x).dtype == torch.float32
    with pytest.raises(RuntimeError, match="unsupported"):
        torch.autocast("meta")


def test_pytorch_is_told_the_state() -> None:
    with semantics("torch-2.11", "fp32", META):
        assert torch.amp.is_autocast_available("meta")
        assert not torch.is_autocast_enabled()
        assert torch.get_autocast_dtype("cuda") == torch.float16
        with torch.autocast("cuda", dtype=torch.bfloat16):
            assert torch.is_autocast_enabled("cuda")
            assert not torch.is_autocast_enabled("cpu")
            assert torch.get_autocast_dtype("cuda") == torch.bfloat16
            with torch.autocast("cuda", enabled=False):
                assert not torch.is_autocast_enabled()
    with semantics("torch-2.11", "amp-bf16", META):
        assert torch.is_autocast_enabled()
        assert torch.get_autocast_dtype("cuda") == torch.bfloat16
    assert not torch.amp.is_autocast_available("meta")


@pytest.mark.parametrize("precision", ["fp32", "amp-fp16"])
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("inside", [False, True], ids=["backward after the region", "backward in the region"])
def test_checkpointing_enters_the_regions_of_its_forward_pass(precision: str, reentrant: bool, inside: bool) -> None:
    """Loops of users leave the region before backward."""
    linear = nn.Linear(4, 4, device="meta")
    seen: list[torch.dtype] = []

    def block(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            seen.append(linear(x).dtype)
        return linear(x)

    with semantics("torch-2.11", precision, META):
        x = torch.empty(2, 4, device="meta", requires_grad=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = checkpoint(block, x, use_reentrant=reentrant).float().sum()
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
    assert seen == [torch.bfloat16, torch.bfloat16]
    assert linear.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(("inside", "kept"), [(True, 1), (False, 0)])
def test_cached_weights_live_until_the_region_ends(inside: bool, kept: int) -> None:
    """At the last allocation of backward both half-precision weights are alive, if the region is."""
    width = 512
    first, second = (nn.Linear(width, width, bias=False) for _ in range(2))

    def build(device: torch.device):
        layers = nn.Sequential(first, second).to(device)
        images = torch.empty(1, width, device=device)

        def step() -> None:
            with torch.autocast(device.type):
                output = layers(images).sum()
                if inside:
                    output.backward()
            if not inside:
                output.backward()
            layers.zero_grad()

        return step

    trace = trace_steps(build, META, iterations=1)
    half_bytes = 2 * width * width
    weights = [
        index for index, each in enumerate(trace.allocations)
        if each.requested_bytes == half_bytes and trace.operators[each.operator].phase == "forward"
    ]  # fmt: skip
    assert len(weights) == 2
    backward_ends = max(
        position for position, (index, born, operator) in enumerate(trace.events)
        if born and trace.operators[operator].phase == "backward"
    )  # fmt: skip
    alive = trace.alive_after(backward_ends) & set(weights)
    assert len(alive) == 2 * kept
