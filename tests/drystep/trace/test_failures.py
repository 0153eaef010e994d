"""What is wrong with a step is one line that names the user's."""

import os
import warnings
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from drystep import Oracles, SimulationError, simulate


def _message(body: Callable[[nn.Module, Tensor], object], **options: object) -> str:
    def build(device: torch.device):
        model, data = nn.Linear(4, 4).to(device), torch.empty(3, 4, device=device)
        return lambda: body(model, data)

    with pytest.raises(SimulationError) as caught:
        simulate(build, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert isinstance(caught.value, ValueError)
    return message


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (lambda m, x: m(x.cuda(1)), "m(x.cuda(1))", "one GPU is simulated, and this asks for cuda:1"),
        (lambda m, x: m(torch.ones(3, 4, device="cuda:2")), 'device="cuda:2"', "one GPU is simulated"),
        (lambda m, x: torch.cuda.current_blas_handle(), "torch.cuda.current_blas_handle()", "this needs a GPU"),
        (lambda m, x: m(torch.ones(3, 4)), "m(torch.ones(3, 4))", "aten.addmm.default gets tensors on the CPU"),
        (lambda m, x: nn.functional.embedding(torch.ones(3, dtype=int), m.weight), "embedding", "tensors on the CPU"),
        (lambda m, x: m(x[:, :2]), "m(x[:, :2])", "aten.addmm.default failed"),
        (lambda m, x: m(x).nosuch(), "m(x).nosuch()", "the step raised AttributeError: 'Tensor' object has no"),
        (lambda m, x: {}["key"], '{}["key"]', "the step raised KeyError: 'key'"),
        (lambda m, x: torch.histogram(x, 4), "torch.histogram(x, 4)", "has no kernel for the meta device"),
    ],
)
def test_a_step_that_cannot_be_simulated(body, code: str, said: str) -> None:
    if torch.cuda.is_available() and "GPU" in said:
        pytest.skip("nothing is wrong with it where there is a GPU")
    message = _message(body)
    assert message.startswith(("tests/drystep/trace/test_failures.py:", __file__))
    assert code in message
    assert said in message


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_of_the_machine_is_not_used() -> None:
    def build(device: torch.device):
        model = nn.Linear(4, 4).cuda()
        return lambda: model(torch.ones(3, 4, device="cuda"))

    before = torch.cuda.memory_allocated()
    assert simulate(build).at_peak["parameters"] == 2 * 512
    assert torch.cuda.memory_allocated() == before


def test_precision_that_would_silently_be_off() -> None:
    """Without a GPU, a library may only warn that mixed precision does nothing."""
    message = _message(lambda m, x: warnings.warn("CUDA is not available. Disabling", stacklevel=1))
    assert 'warnings.warn("CUDA is not available. Disabling", stacklevel=1)' in message
    assert "does nothing without a GPU: state the precision" in message


def test_the_library_between_is_named() -> None:
    def build(device: torch.device):
        model = torchvision.ops.MLP(4, [4]).to(device)
        boxes = torch.empty(3, 4, device=device)
        return lambda: torchvision.ops.box_area(model(boxes)[:, 0])

    with pytest.raises(SimulationError, match=r"test_failures.py:\d+ .*in torchvision/ops/boxes.py:\d+ box_area"):
        simulate(build)


def test_build_steps_that_are_none() -> None:
    with pytest.raises(SimulationError, match="build_step must return a function without arguments .* not NoneType"):
        simulate(lambda device: None)
    with pytest.raises(SimulationError, match="build_step must be a function of a device, not int"):
        simulate(3)


def test_build_step_that_raises() -> None:
    def build(device: torch.device):
        raise RuntimeError("no data here")

    with pytest.raises(SimulationError, match=r"test_failures.py:\d+ .*: build_step raised RuntimeError: no data here"):
        simulate(build)


def test_a_step_that_is_not_on_the_device() -> None:
    def build(device: torch.device):
        model = nn.Linear(4, 4)
        return lambda: model(torch.ones(3, 4)).sum().backward()

    with pytest.raises(SimulationError, match="2 of 2 parameters that train are on the CPU"):
        simulate(build)
    with pytest.raises(SimulationError, match="the step has nothing on the device"):
        simulate(lambda device: lambda: torch.ones(3, 4))


def test_what_torchrun_sets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(
        SimulationError, match="reads LOCAL_RANK from the environment, which torchrun sets: .* LOCAL_RANK=0"
    ):
        simulate(lambda device: os.environ["LOCAL_RANK"])


def test_oddities_are_warnings() -> None:
    def build(device: torch.device):
        return lambda: torch.empty(3, device=device).sum()

    warnings = simulate(build, oracles=Oracles(by_name={"nmss": 1})).warnings
    assert warnings[0] == "oracle 'nmss' was never asked: nothing of that name needed it"
    assert warnings[1].startswith("no parameters on the device")


def test_a_forward_pass_alone_is_fine() -> None:
    def build(device: torch.device):
        model = nn.Linear(4, 4).to(device)
        return lambda: model(torch.empty(3, 4, device=device))

    assert simulate(build).warnings == ()
