"""What a training step allocates and frees, in order, and the operators that do so."""

from dataclasses import dataclass, field
from typing import Literal

import torch

from drystep.operators import Work
from drystep.trace.module_paths import OUTSIDE
from drystep.trace.source_lines import SourceLine

Phase = Literal["build", "forward", "backward", "optimizer"]
Category = Literal["parameters", "gradients", "optimizer_state", "activations", "inputs", "workspace", "other"]
CATEGORIES: tuple[Category, ...] = (
    "parameters", "gradients", "optimizer_state", "activations", "inputs", "workspace", "other",
)  # fmt: skip


@dataclass(slots=True)
class Allocation:
    """One storage of the recording."""

    requested_bytes: int
    """Size of the storage."""
    operator: int
    """Index of the operator that returned it first."""
    category: Category
    """What it is for. Parameters count with buffers; what backward and optimizer hold briefly is "other"."""
    soft: bool = False
    """Whether its owner goes on without it when memory runs out."""
    module: str = OUTSIDE
    """Path of the module whose parameter, gradient or state it is; of other storages the operator knows the module."""
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
    """Dotted path of the module that called it, or whose forward operator it differentiates; "" outside."""


@dataclass
class Trace:
    """Allocations and frees of a build and some training steps."""

    allocations: list[Allocation] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    events: list[tuple[int, bool, int]] = field(default_factory=list)
    """In order: index of the allocation, whether it is born (or dies), index of the latest operator."""
    iteration_starts: list[int] = field(default_factory=list)
    """Index of the first event of each training step."""
    first_operators: list[int] = field(default_factory=list)
    """Index of the first operator of each training step."""
    steady_steps: int = 1
    """How many of the last steps count; those before only warm up."""
    work: list[tuple[int, Work]] = field(default_factory=list)
    """Of the steps that count: index of each operator that launches kernels, and what they do."""
    source_lines: list[SourceLine | None] = field(default_factory=list)
    """The user's line of each operator, where that was asked for; else empty."""

    def alive_after(self, event: int) -> set[int]:
        """Indices of the allocations that are alive after an event, whether or not an allocator could serve them."""
        alive: set[int] = set()
        for index, born, _ in self.events[: event + 1]:
            (alive.add if born else alive.discard)(index)
        return alive
