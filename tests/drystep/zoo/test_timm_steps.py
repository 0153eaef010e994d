"""Steps of timm's models: on the meta device, and for real on the CPU."""

import pytest
import torch

from drystep.simulator import trace_steps
from drystep.trace.trace import Trace
from drystep.zoo.timm_steps import AUTOCAST, LAYOUTS, MODES, Mode, timm_step

META = torch.device("meta")


def _trace(mode: Mode = "train", precision: str = "fp32", layout: str = "nchw", model: str = "test_resnet") -> Trace:
    build_step = timm_step(model, 2, 64, mode, precision, layout)
    return trace_steps(build_step, META, "torch-2.11", iterations=2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("precision", AUTOCAST)
@pytest.mark.parametrize("mode", MODES)
def test_a_step_on_meta(mode: Mode, precision: str, layout: str) -> None:
    trace = _trace(mode, precision, layout)
    assert {operator.phase for operator in trace.operators} >= (
        {"forward", "backward", "optimizer"} if mode == "train" else {"forward"}
    )
    assert any(operator.phase == "backward" for operator in trace.operators) == (mode == "train")
    convolutions = [work for _, work in trace.work if "convolution" in work.group]
    assert {work.dtype for work in convolutions} == {AUTOCAST[precision] or torch.float32}
    assert {work.group.split(".")[-2] for work in convolutions} == {layout}


def test_images_need_no_gradient() -> None:
    """The first convolution runs forward and for its filter alone."""
    first = [work.group for _, work in _trace().work if work.group.startswith("first_convolution")]
    assert first == ["first_convolution.nchw.single"] * 2


def test_models_of_a_fixed_size_are_built_for_the_size() -> None:
    """Twice the side has four times the patches."""
    small, large = (
        next(work for _, work in trace_steps(timm_step("test_vit", 2, side, "inference"), META).work if work.tf32)
        for side in (64, 128)
    )
    assert large.flops == 4 * small.flops


@pytest.mark.parametrize(("mode", "directions"), [("train", {"forward", "backward"}), ("inference", {"inference"})])
def test_inference_runs_norms_with_their_running_statistics(mode: Mode, directions: set[str]) -> None:
    norms = [work.group.split(".")[1] for _, work in _trace(mode).work if work.group.startswith("batch_norm")]
    assert set(norms) == directions


def test_a_training_step_trains() -> None:
    """For real: what the step changes is what an optimizer with momentum 0.9 changes."""
    made: list[torch.optim.Optimizer] = []
    original = torch.optim.SGD

    class Noted(original):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "SGD", Noted)
        step = timm_step("test_resnet", 2, 32)(torch.device("cpu"))
    (optimizer,) = made
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    before = [parameter.detach().clone() for parameter in parameters]
    step()
    assert all(parameter.grad is not None for parameter in parameters)
    assert any(not torch.equal(old, new) for old, new in zip(before, parameters, strict=True))
    assert optimizer.param_groups[0]["momentum"] == 0.9
    step()
    assert all("momentum_buffer" in optimizer.state[parameter] for parameter in parameters)


def test_unknown_names_are_refused_when_the_step_is_built() -> None:
    build_step = timm_step("resnet5O", 2, 64)
    with pytest.raises(ValueError, match="unknown model of timm 'resnet5O': did you mean resnet50"):
        build_step(META)
