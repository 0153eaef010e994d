"""Whatever would make the figures wrong in silence is said: one sentence, or an error."""

import copy
from collections.abc import Callable

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from drystep import SimulationError, simulate

WIDTH = 64
MATRIX_BYTES = 4 * WIDTH * WIDTH


def _warnings(build_step: Callable, **options: object) -> list[str]:
    return list(simulate(build_step, gpus=["v100-32gb"], **options).warnings)


def _layer() -> nn.Linear:
    return nn.Linear(WIDTH, WIDTH, bias=False)


class _Experts(nn.Module):
    """Of three experts, one is used."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(_layer() for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.experts[0](x)


def _training(make: Callable[[], nn.Module], place: bool = True, region: str = "") -> Callable:
    def build_step(device: torch.device) -> Callable[[], None]:
        model = make()
        model = model.to(device) if place else model
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x = torch.zeros(2, WIDTH, device=device)

        def step() -> None:
            optimizer.zero_grad()
            if region:
                with torch.autocast(region, torch.bfloat16):
                    loss = model(x).sum()
            else:
                loss = model(x).sum()
            loss.backward()
            optimizer.step()

        return step

    return build_step


def test_parameters_without_a_gradient_are_named() -> None:
    (warning,) = _warnings(_training(_Experts))
    assert "2 of 3 parameters" in warning
    assert "66.7 % of their elements" in warning
    assert "experts.1.weight, experts.2.weight" in warning
    with pytest.raises(SimulationError, match="experts.1.weight"):
        simulate(_training(_Experts), strict=True)


def test_a_gradient_in_any_step_that_counts_is_enough() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        layers = nn.ModuleList([_layer(), _layer()]).to(device)
        optimizer = torch.optim.SGD(layers.parameters(), 0.1)
        steps = 0

        def step() -> None:
            nonlocal steps
            optimizer.zero_grad()
            layers[steps % 2](torch.zeros(2, WIDTH, device=device)).sum().backward()
            optimizer.step()
            steps += 1

        return step

    assert not _warnings(build_step, steady_steps=2, iterations=4)
    (warning,) = _warnings(build_step)
    assert "1 of 2 parameters" in warning


def test_gradients_of_a_closure_and_of_accumulation_count() -> None:
    def with_closure(device: torch.device) -> Callable[[], None]:
        layer = _layer().to(device)
        optimizer = torch.optim.SGD(layer.parameters(), 0.1)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = layer(torch.zeros(2, WIDTH, device=device)).sum()
            loss.backward()
            return loss

        return lambda: (optimizer.step(closure), optimizer.zero_grad())

    def accumulating(device: torch.device) -> Callable[[], None]:
        layer, frozen = _layer().to(device), _layer().to(device)
        optimizer = torch.optim.SGD([*layer.parameters(), *frozen.parameters()], 0.1)  # which never steps
        return lambda: (optimizer.zero_grad(), layer(torch.zeros(2, WIDTH, device=device)).sum().backward())

    assert not _warnings(with_closure)
    assert not _warnings(accumulating)


def test_parameters_that_left_the_device_are_an_error() -> None:
    with pytest.raises(SimulationError, match=r"1 of 1 parameters that train are on the CPU .*, namely weight"):
        simulate(lambda device: _training(_layer, place=False)(torch.device("cpu")))


def test_one_parameter_that_left_the_device_is_an_error() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        model = nn.ModuleDict({"host": _layer(), "card": _layer().to(device)})
        model.forward = lambda: [layer(torch.zeros(2, WIDTH, device=layer.weight.device)) for layer in model.values()]
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step() -> None:
            optimizer.zero_grad()
            for output in model():
                output.sum().backward()
            optimizer.step()

        return step

    with pytest.raises(SimulationError, match=r"1 of 2 parameters that train are on the CPU .*, namely host.weight"):
        simulate(build_step)


def test_a_frozen_part_and_an_optimizer_state_may_be_on_the_cpu() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        layer, frozen = _layer().to(device), _layer().requires_grad_(False)
        masters = [torch.zeros(WIDTH, WIDTH, requires_grad=True)]
        optimizer = torch.optim.SGD(masters, 0.1)

        def step() -> None:
            frozen(torch.zeros(2, WIDTH))
            layer(torch.zeros(2, WIDTH, device=device)).sum().backward()
            masters[0].grad = torch.zeros(WIDTH, WIDTH)
            optimizer.step()
            layer.zero_grad()

        return step

    assert not _warnings(build_step)


def test_a_region_of_another_device_is_named() -> None:
    (warning,) = _warnings(_training(_layer, region="cpu"))
    assert "an autocast region of 'cpu' surrounds operators of the device" in warning
    assert "Linear at " in warning
    assert "test_step_checks.py" in warning
    assert not _warnings(_training(_layer, region="cuda"))
    assert not _warnings(_training(_layer, region="cpu"), precision="amp-bf16")


def test_an_average_that_the_step_forgets_is_named() -> None:
    def build_step(device: torch.device, keep: bool = False) -> Callable[[], None]:
        model = nn.Sequential(_layer(), nn.BatchNorm1d(WIDTH)).to(device)
        average = copy.deepcopy(model).requires_grad_(False)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x = torch.zeros(2, WIDTH, device=device)

        def step() -> None:
            model(x).sum().backward()
            optimizer.step()

        def averaging() -> None:
            step()
            for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(parameter, 0.1)

        return averaging if keep else step

    (warning,) = _warnings(build_step)
    # A matrix, four vectors of a batch norm, and its count of batches.
    assert f"build_step makes Sequential with {MATRIX_BYTES + 4 * 4 * WIDTH + 8:,} bytes" in warning
    assert not _warnings(lambda device: build_step(device, keep=True))


def test_what_is_replaced_or_shared_during_the_build_is_not_missed() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        with device:
            model = nn.Sequential(_layer(), _layer())
            head = copy.deepcopy(model[1])
            model[1] = nn.Linear(WIDTH, 2)
            del head
        shared = nn.Sequential(model[0])  # the module dies with build_step, and its parts live on
        parameters = list(shared.parameters())
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step() -> None:
            model(torch.zeros(2, WIDTH, device=device)).sum().backward()
            optimizer.step()
            assert parameters

        return step

    assert not _warnings(build_step)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("on_device", [False, True])
def test_models_built_the_usual_way_have_no_findings(name: str, on_device: bool) -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        if on_device:
            with device:
                model = timm.create_model(name, num_classes=2)
        else:
            model = timm.create_model(name, num_classes=2).to(device)
        model.reset_classifier(3)
        model.to(device)
        images = torch.zeros(2, 3, 224, 224, device=device)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def step() -> None:
            optimizer.zero_grad()
            model(images).sum().backward()
            optimizer.step()

        return step

    assert not _warnings(build_step)


def _compiled_by_call(model: nn.Module) -> nn.Module:
    return torch.compile(model, mode="max-autotune", fullgraph=True)


def _compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile()
    return model


@pytest.mark.parametrize("compiled", [_compiled_by_call, _compiled_in_place])
def test_a_compiled_model_runs_eagerly_and_is_named(compiled: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    eager = simulate(_training(_Experts))
    simulation = simulate(_training(lambda: compiled(_Experts())))
    assert simulation.peak_allocated_bytes == eager.peak_allocated_bytes
    (warning,) = [warning for warning in simulation.warnings if "compiled" in warning]
    assert "figures are those of the eager model" in warning
    with pytest.raises(SimulationError, match="is compiled"):
        simulate(_training(lambda: compiled(_layer())), strict=True)


@torch.compile(fullgraph=True)
def _compiled_before(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    assert not torch.compiler.is_compiling()
    return F.linear(x, weight).relu()


def test_a_function_that_was_compiled_before_runs_eagerly_and_is_named() -> None:
    class Model(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return _compiled_before(x, self.weight)

    (warning,) = _warnings(_training(lambda: Model(WIDTH, WIDTH, bias=False)))
    assert "_compiled_before(x, self.weight)" in warning


def test_the_eager_optimizers_of_pytorch_are_not_compiled() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        layer = _layer().to(device)
        optimizer = torch.optim.AdamW(layer.parameters())

        def step() -> None:
            F.relu(torch.utils.checkpoint.checkpoint(layer, torch.zeros(2, WIDTH, device=device), use_reentrant=False))
            layer(torch.zeros(2, WIDTH, device=device)).sum().backward()
            optimizer.step()

        return step

    assert torch.compile is not None
    assert not _warnings(build_step)
