"""The trace of a training step: what it allocates and frees, in order, and the operators that do so."""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from drystep.operators import Work, Workspace
from drystep.program.source_lines import SourceLine
from drystep.trace.module_paths import OUTSIDE

Phase = Literal["build", "forward", "backward", "optimizer"]
Category = Literal["parameters", "gradients", "optimizer_state", "activations", "inputs", "workspace", "other"]
CATEGORIES: tuple[Category, ...] = (
    "parameters", "gradients", "optimizer_state", "activations", "inputs", "workspace", "other",
)  # fmt: skip


@dataclass(slots=True)
class Allocation:
    """One recorded storage."""

    requested_bytes: int
    """Size of the storage."""
    operator: int
    """Index of the operator that first returned it."""
    category: Category
    """What it is for. Buffers count as parameters; temporary storages of backward and optimizer are "other"."""
    workspace: Workspace | None = None
    """What a library requested it for; None for the storage of a tensor."""
    module: str = OUTSIDE
    """Path of the module whose parameter, gradient or state it is. Other storages have the module of their operator."""
    shape: tuple[int, ...] = ()
    """Shape of the first tensor in it."""
    dtype: torch.dtype | None = None
    """Element type of that tensor."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One dispatched operator."""

    name: str
    phase: Phase
    module: str = OUTSIDE
    """Dotted path of the module that called it, or whose forward operator it differentiates; "" outside modules."""

    def is_within(self, module: str) -> bool:
        """Whether it belongs to the module with that path, or to one within it; "" stands for everything."""
        return not module or self.module == module or self.module.startswith(f"{module}.")


@dataclass(frozen=True, slots=True)
class TensorForm:
    """What decides about a tensor's workspaces: all of it but its values."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Request:
    """A call whose arguments decide which workspaces its library requests, or how its results are padded."""

    event: int
    """Index of the event that came next, which is that of the first workspace if there is one."""
    operator: int
    """Index of the operator."""
    call: Any
    """The operator overload that was called."""
    arguments: tuple[Any, ...]
    """Its arguments, of tensors their `TensorForm`, and tuples for lists."""
    in_backward: bool
    """Whether autograd's thread called it."""


@dataclass
class Trace:
    """Allocations and frees of a build and some training steps."""

    allocations: list[Allocation] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    events: list[tuple[int, bool, int]] = field(default_factory=list)
    """In order: index of the allocation, whether it is allocated (or freed), index of the latest operator."""
    iteration_starts: list[int] = field(default_factory=list)
    """Index of the first event of each training step."""
    first_operators: list[int] = field(default_factory=list)
    """Index of the first operator of each training step."""
    steady_steps: int = 1
    """Number of steps at the end that count; those before are warm-up."""
    work: list[tuple[int, Work]] = field(default_factory=list)
    """For the steps that count: index of each operator that launches kernels, and its work."""
    returned_again: list[tuple[int, int]] = field(default_factory=list)
    """For the steps that count: index of each operator of backward that returned a storage which was there before, as
    what writes in place does and what makes a view, and index of that allocation."""
    requests: list[Request] = field(default_factory=list)
    """Calls whose arguments decide about workspaces or padding, in order, whether or not they requested any."""
    uncounted: dict[str, str] = field(default_factory=dict)
    """Operators whose work could not be counted, and why."""
    failures: list[str] = field(default_factory=list)
    """Sentences about calls that fail on a GPU because of an error of PyTorch."""
    remarks: list[str] = field(default_factory=list)
    """Sentences about what the program asked of a GPU and a simulation does not do."""
    source_lines: list[SourceLine | None] = field(default_factory=list)
    """The user's line of each operator, if lines were recorded; otherwise empty."""

    def alive_after(self, event: int) -> set[int]:
        """Indices of the allocations that are alive after an event, whether or not an allocator could serve them."""
        alive: set[int] = set()
        for index, born, _ in self.events[: event + 1]:
            (alive.add if born else alive.discard)(index)
        return alive
