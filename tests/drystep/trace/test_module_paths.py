import copy
import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from drystep.trace.recorder import record
from drystep.trace.trace import Trace

META = torch.device("meta")


class Nested(nn.Module):
    """Calls a module inside another module's arguments, and works itself between two calls."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.outer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x).exp()).tanh()


def _trace(model: nn.Module, step: Callable[[nn.Module, Tensor], object], iterations: int = 2) -> Trace:
    model.to(META)

    def build(device: torch.device) -> Callable[[], object]:
        data = torch.empty(2, 4, device=device, requires_grad=True)
        return lambda: step(model, data)

    return record(build, META, iterations)


def _modules(trace: Trace, name: str, phase: str | None = None) -> set[str]:
    return {o.module for o in trace.operators if o.name == name and phase in (None, o.phase)}


def test_forward_operators_belong_to_the_innermost_module() -> None:
    trace = _trace(Nested(), lambda model, x: model(x).sum())
    assert _modules(trace, "addmm.default") == {"inner.0", "outer"}
    assert _modules(trace, "relu.default") == {"inner.1"}
    assert _modules(trace, "exp.default") == _modules(trace, "tanh.default") == {"Nested"}
    assert _modules(trace, "sum.default") == {""}


def test_backward_operators_belong_to_the_module_they_differentiate() -> None:
    trace = _trace(Nested(), lambda model, x: model(x).sum().backward())
    assert _modules(trace, "threshold_backward.default") == {"inner.1"}
    assert _modules(trace, "tanh_backward.default") == {"Nested"}
    assert _modules(trace, "mm.default", "backward") == {"inner.0", "outer"}
    assert _modules(trace, "expand.default", "backward") == {""}  # of the sum, outside


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad.neg()


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Double.apply(x)


def test_a_function_with_a_backward_of_its_own() -> None:
    trace = _trace(nn.Sequential(nn.ReLU(), Doubling()), lambda model, x: model(x).sum().backward())
    assert _modules(trace, "neg.default", "backward") == {"1"}


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=self.use_reentrant)
        return x

    use_reentrant = False


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputation_belongs_to_the_recomputed_module(use_reentrant: bool) -> None:
    """Without reentrance, checkpointing breaks its recomputation off by an exception in the midst of modules."""
    model = Checkpointed()
    model.use_reentrant = use_reentrant
    trace = _trace(model, lambda model, x: model(x).sum().backward())
    for phase in ("forward", "backward"):
        assert _modules(trace, "addmm.default", phase) == {"blocks.0.0", "blocks.1.0"}
    assert _modules(trace, "tanh_backward.default") == {"blocks.0.1", "blocks.1.1"}
    assert _modules(trace, "sum.default", "forward") == {""}


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x.sin()
        raise RuntimeError("no")


class Forgiving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.failing = nn.Sequential(Failing())

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.failing(x)
        except RuntimeError:
            return x.cos()


def test_an_exception_in_forward_leaves_no_trace() -> None:
    trace = _trace(Forgiving(), lambda model, x: model(x).sum().backward())
    assert _modules(trace, "sin.default", "forward") == {"failing.0"}
    assert _modules(trace, "cos.default") == {"Forgiving"}
    assert _modules(trace, "sum.default") == {""}
    assert _modules(trace, "sin.default", "backward") == {"Forgiving"}  # derivative of cos; that of the other never ran


def test_an_interrupt_is_forgotten_by_the_next_step() -> None:
    class Interrupted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyboardInterrupt  # no Exception: hooks do not run after it

    def step(model: nn.Module, x: Tensor) -> None:
        x.sin()
        with pytest.raises(KeyboardInterrupt):
            model(x)

    assert _modules(_trace(nn.Sequential(Interrupted()), step), "sin.default") == {""}


class Replicating(nn.Module):
    """Like DataParallel: a name in between, and fresh copies in every call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x) + copy.deepcopy(self.module)(x)


def test_replicas_have_the_path_of_who_made_them() -> None:
    trace = _trace(Replicating(nn.Sequential(nn.Linear(4, 4))), lambda model, x: model(x).sum().backward())
    assert _modules(trace, "addmm.default") == {"module.0", "Replicating.Sequential.0"}
    assert _modules(trace, "add.Tensor", "forward") == {"Replicating"}


def test_a_second_outermost_module_keeps_its_names_apart() -> None:
    critic = nn.Sequential(nn.Linear(4, 1)).to(META)
    other = nn.Sequential(nn.Linear(4, 1)).to(META)
    trace = _trace(nn.Sequential(nn.Linear(4, 4)), lambda model, x: (critic(model(x)) + other(x)).sum().backward())
    assert _modules(trace, "addmm.default") == {"0", "Sequential-2.0", "Sequential-3.0"}


def test_parameters_gradients_and_state_belong_to_their_module() -> None:
    def build(device: torch.device) -> Callable[[], object]:
        model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Linear(8, 4, bias=False)).to(device)
        optimizer = torch.optim.AdamW(model.parameters())

        def step() -> None:
            optimizer.zero_grad()
            model(torch.empty(2, 4, device=device)).sum().backward()
            optimizer.step()

        return step

    trace = record(build, META, 2)
    for category, count in (("parameters", 2), ("gradients", 4), ("optimizer_state", 4)):
        owners = [allocation.module for allocation in trace.allocations if allocation.category == category]
        assert sorted(owners) == ["0"] * (count // 2) + ["1"] * (count // 2)


def test_nothing_is_kept_alive() -> None:
    model = nn.Linear(4, 4)
    trace = _trace(model, lambda model, x: model(x).sum().backward())
    remembered = weakref.ref(model)
    del model
    gc.collect()
    assert remembered() is None
    assert trace.operators


def test_hooks_are_gone_afterwards() -> None:
    _trace(nn.Linear(4, 4), lambda model, x: model(x))
    hooks = nn.modules.module
    assert not hooks._global_forward_pre_hooks
    assert not hooks._global_forward_hooks
    assert not hooks._global_forward_hooks_always_called
