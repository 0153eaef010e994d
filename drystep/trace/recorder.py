"""Recorder of what a training step allocates and frees, on any device.

It works for real and for meta tensors alike, because it only looks at storages: a storage is allocated when an
operator first returns it, and freed when its last reference is gone.
"""

import functools
import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Work, Workspace
from drystep.program.source_lines import line_of_stack
from drystep.torch_private import (
    DispatchMode,
    current_graph_task_id,
    key_of,
    made_of_others,
)
from drystep.trace.labels import Labels
from drystep.trace.module_paths import OUTSIDE, ModulePaths
from drystep.trace.repetition import repeat_step
from drystep.trace.requests import note_request
from drystep.trace.trace import Allocation, Category, Operator, Phase, Trace

Step = Callable[[], object]
"""One training step."""
BuildStep = Callable[[torch.device], Step]
"""Builds model, optimizer and data on a device, and returns the step that trains on them."""
WARM_UP_STEPS = 2
"""Number of steps after which the optimizer's state and the allocator's cache exist."""

Arguments = tuple[Any, ...]
Call = Callable[[Any, Arguments, dict[str, Any]], Any]
Rewrite = Callable[[Any, Arguments], tuple[Any, Arguments]]
"""Operator and arguments -> the operator and arguments that reach the kernel on CUDA."""
Requests = Callable[[Any, Arguments, bool], Iterator[Workspace]]
"""(operator, arguments, whether autograd's thread runs it) -> workspaces requested after the results are allocated."""
WorkOf = Callable[[Any, Arguments, dict[str, Any], Any], Sequence[Work]]
"""(operator, arguments, keyword arguments, result) -> its work on a GPU, in parts; () if it launches no kernel."""


def _call(func: Any, args: Arguments, kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


def _no_workspaces(func: Any, args: Arguments, in_backward: bool) -> Iterator[Workspace]:
    return iter(())


def _never(func: Any) -> bool:
    return False


def _no_work(func: Any, args: Arguments, kwargs: dict[str, Any], result: Any) -> Sequence[Work]:
    return ()


@dataclass(frozen=True)
class OperatorRules:
    """How the operators of a step run, and what they need, where the device itself does not show it.

    By default they run as the device runs them, without workspaces, and their work is not counted.
    """

    call: Call = _call
    """Runs an operator."""
    rewrites: Mapping[Any, Rewrite] = field(default_factory=dict)
    """Operator overload -> the function that rewrites a call of it. What a rewrite allocates is recorded too."""
    workspaces: Requests = _no_workspaces
    """Memory that an operator requests besides its results."""
    may_request: Callable[[Any], bool] = _never
    """Whether an operator's arguments decide about its workspaces. Such calls are noted in the trace."""
    work_of: WorkOf = _no_work
    """What an operator computes and moves."""
    buckets: Callable[[], Iterable[Tensor]] = tuple
    """Tensors in which gradients are exchanged, when an optimizer steps."""


PYTHON_VALUES = frozenset({torch.ops.aten.lift_fresh.default, torch.ops.aten.scalar_tensor.default})
"""Operators that make tensors from Python values. On a GPU the first stay in host memory, and the second take 512
bytes briefly; the CPU hides them from the dispatcher. They are left out, so that recordings on all devices agree."""
PYTHON_DATA = frozenset({torch.ops.aten.lift.default})
"""Operators that bring small data of Python to the device. It is left out, too, until an operator returns it: then it
is a tensor that a program keeps, such as the count of a batch norm."""
COPIES = frozenset({torch.ops.aten.clone.default, torch.ops.aten._to_copy.default})
"""Operators that copy a tensor as it is. Copies of parameters that are made before the first step are weights, too."""


class Recorder(DispatchMode):
    """Records the storages of one device while it is the innermost dispatch mode.

    With `note_lines` the trace has the user's source line of each operator, which takes time.
    """

    supports_higher_order_operators = True

    def __init__(self, device: torch.device, rules: OperatorRules = OperatorRules(), note_lines: bool = False) -> None:
        super().__init__()
        self.trace = Trace()
        self._rules = rules
        self._note_lines = note_lines
        self._device_type = device.type
        self._live: dict[int, tuple[int | None, weakref.ref[Any]]] = {}  # storage address -> allocation, guard
        self._data: set[int] = set()  # storages of small data
        self.paths = ModulePaths()
        self._labels = Labels(self.trace, self._live, self.paths, rules.buckets)
        self._operator = functools.cache(Operator)  # a step repeats the same few hundred of them
        self._building = True
        self._weighing = False
        self._rewriting = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Copies that a rewrite makes stay whole, without work: calibrated factors hold for times without them.
        parts = None if self._rewriting else made_of_others(func)
        if parts is not None:
            with self:
                return parts(*args, **(kwargs or {}))
        rewrite = self._rules.rewrites.get(func)
        if rewrite is not None:
            before, self._rewriting = self._rewriting, True
            with self:
                func, args = rewrite(func, args)
            self._rewriting = before
        phase = self._phase()
        module = self.paths.differentiated() if phase == "backward" else self.paths.running
        self.trace.operators.append(self._operator(func.__name__, phase, module))
        if self._note_lines:
            self.trace.source_lines.append(line_of_stack())
        result = self._rules.call(func, args, kwargs or {})
        on_host = func in PYTHON_VALUES or func in PYTHON_DATA
        if func in PYTHON_DATA:
            self._data.add(key_of(result.untyped_storage()))
        on_device = False
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.device.type == self._device_type:
                on_device = True
                self._see(tensor, on_host)
        if self._building and func in COPIES:
            self._labels.note_copy(args[0], result)
        if on_device:
            if self._rules.may_request(func):
                note_request(self.trace, func, args, phase == "backward")
            for workspace in self._rules.workspaces(func, args, phase == "backward"):
                self._request(workspace)
        if self._weighing and (on_device or result is None):
            self._count(func, args, kwargs or {}, result)
        return result

    def _count(self, func: Any, args: Arguments, kwargs: dict[str, Any], result: Any) -> None:
        """Record the work of an operator. What counting raises costs a figure of the time, and none of the memory."""
        try:
            work = self._rules.work_of(func, args, kwargs, result)
        except Exception as error:
            self.trace.uncounted.setdefault(func.__name__, str(error) or type(error).__name__)
            return
        number = len(self.trace.operators) - 1
        self.trace.work.extend((number, part) for part in work)

    def begin_iteration(self, counts: bool = False) -> None:
        """Mark the start of a training step. The work of a step that `counts` is recorded, too."""
        self._weighing = counts
        gc.collect(0)  # free reference cycles of the last step now, not whenever Python reaches its threshold
        self._labels.label_weights()
        self._building = False
        self._labels.model_called = False
        self.paths.restart()
        self.trace.iteration_starts.append(len(self.trace.events))
        self.trace.first_operators.append(len(self.trace.operators))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Learn what storages are for from the modules and optimizers that run, until the context ends."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            with self._labels.watching():
                yield
        finally:
            self._live.clear()  # what is freed after the last step is not part of it
            if collecting:
                gc.enable()

    def _phase(self) -> Phase:
        if self._building:
            return "build"
        if self._labels.optimizing:
            return "optimizer"
        return "forward" if current_graph_task_id() == -1 else "backward"

    def _see(self, tensor: Tensor, on_host: bool) -> None:
        storage = tensor.untyped_storage()
        key = key_of(storage)
        if key in self._live and (on_host or self._live[key][0] is not None or key not in self._data):
            self._note_return(self._live[key][0])
            return
        if storage.nbytes() == 0:
            return
        index = None if on_host else self._allocate(storage.nbytes(), tensor)

        def died(_: object) -> None:
            del self._live[key]
            self._data.discard(key)
            if index is not None:
                self.trace.events.append((index, False, len(self.trace.operators) - 1))

        self._live[key] = (index, weakref.ref(storage, died))

    def _note_return(self, index: int | None) -> None:
        """Note that an operator returned a storage again, if it may be the last to write a gradient of this step."""
        operator = len(self.trace.operators) - 1
        if self._weighing and index is not None and self.trace.operators[operator].phase == "backward":
            self.trace.returned_again.append((operator, index))

    def _allocate(self, requested_bytes: int, tensor: Tensor) -> int:
        trace = self.trace
        index, operator = len(trace.allocations), len(trace.operators) - 1
        category = self._category(trace.operators[operator].phase)
        trace.allocations.append(
            Allocation(requested_bytes, operator, category, None, OUTSIDE, tensor.shape, tensor.dtype)
        )
        trace.events.append((index, True, operator))
        return index

    def _request(self, workspace: Workspace) -> None:
        trace = self.trace
        index, operator = len(trace.allocations), len(trace.operators) - 1
        trace.allocations.append(Allocation(workspace.size_bytes, operator, "workspace", workspace))
        trace.events.append((index, True, operator))
        if not workspace.kept:
            trace.events.append((index, False, operator))

    def _category(self, phase: Phase) -> Category:
        """Guess the category of a storage from its phase. Modules and optimizers correct it for what they own."""
        if phase == "forward":
            return "activations" if self._labels.model_called else "inputs"
        return "inputs" if phase == "build" else "other"


def record(
    build_step: BuildStep,
    device: torch.device,
    iterations: int,
    rules: OperatorRules = OperatorRules(),  # frozen
    steady_steps: int = 1,
    note_lines: bool = False,
    repeats: bool = False,
) -> Trace:
    """Record `build_step(device)` and `iterations` calls of the step that it returns; the last `steady_steps` count.

    A steady state takes at least two, because the optimizer's state is allocated in the first. `repeats` says that the
    last step does what the one before it does: then it is not run, where the trace agrees. Raises `ValueError` for less
    than one iteration.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, not {iterations}")
    recorder = Recorder(device, rules, note_lines)
    may_repeat = repeats and steady_steps == 1 and iterations > WARM_UP_STEPS
    with recorder.paths.watching(), recorder.watching(), recorder:  # paths first, because labels use them
        step = build_step(device)
        for iteration in range(iterations):
            is_last, end = iteration == iterations - 1, len(recorder.trace.events)
            recorder.begin_iteration(counts=iteration >= iterations - steady_steps - may_repeat)
            if is_last and may_repeat:
                if repeat_step(recorder.trace, end):
                    break
                recorder.trace.work.clear()
                recorder.trace.returned_again.clear()
            step()
    recorder.trace.steady_steps = steady_steps
    return recorder.trace
