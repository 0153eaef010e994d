"""What an operator needs on a GPU besides its results, and a registry of such rules for operators of other packages.

Operators of PyTorch have rules in `drystep/cuda` and `drystep/time`. A package that defines operators
(`torch.library.custom_op`) states their rules with `register_operator`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

Kind = Literal[
    "linear", "bmm", "conv", "attention", "elementwise", "broadcast", "copy", "gather", "dropout", "softmax",
    "layer_norm", "layer_norm_backward", "optimizer",
]  # fmt: skip
"""Classes of operators that achieve a similar fraction of a card's peak."""
Cast = Literal["half", "float32", "widest"]
"""What automatic mixed precision casts floating-point arguments to: half precision, float32, or the widest type among
them."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one operator computes and moves on a GPU."""

    kind: Kind
    """Class of the operator."""
    flops: int
    """Floating-point operations of matrix products and convolutions; 0 for operators that only move bytes."""
    moved_bytes: int
    """Bytes read and written."""
    kernels: int
    """Number of kernels launched, which are taken to be of equal size."""
    dtype: torch.dtype
    """Type in which it computes."""
    narrowest: int = 0
    """Smallest side of a matrix product, or the smaller channel count of a convolution; 0 for other operators."""
    reduced: int = 0
    """Length of the sums of a matrix product, or of the rows of softmax and layer norm; 0 for other operators."""
    tf32: bool = False
    """Whether tensor cores may compute it in TF32 if its type is single precision."""
    group: str = ""
    """Operators whose calibrated factors it shares, such as "convolution_3x3.forward.nchw.half"; "" for `kind`."""
    padded_flops: int = 0
    """Operations of a product or convolution with the values that fill up its tiles; 0 where none are filled up."""
    items: int = 0
    """What the kernel handles one by one beside its bytes, such as the rows of a norm; 0 if bytes and operations say
    all."""
    blocks: int = 0
    """Blocks of threads among which the items are divided, one to a multiprocessor; 0 if they are as many as fit."""

    @property
    def factors_of(self) -> str:
        """Name under which calibrations keep its factors."""
        return self.group or self.kind


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that an operator's library requests from PyTorch's allocator in addition to the results."""

    size_bytes: int
    soft: bool
    """Whether the library can do without it."""
    kept: bool
    """Whether it stays allocated after the call."""
    certain: bool = True
    """Whether the library is known to request it. Others count in the upper bound of a peak alone."""
    architectures: tuple[str, ...] = ()
    """Compute capabilities of the cards on which it is requested, as "7.0"; () for all cards."""
    smaller_bytes: tuple[int, ...] = ()
    """Sizes that the library asks for in turn where `size_bytes` cannot be allocated, largest first."""

    def is_requested(self, possible: bool, architecture: str) -> bool:
        """Whether a card of that architecture requests it; with `possible`, whether it may."""
        on_card = not self.architectures or architecture in self.architectures
        return on_card and (possible or self.certain)


HALF = (torch.float16, torch.bfloat16)


def precision_of(dtype: torch.dtype) -> str:
    """ "half" for both half-precision types, "single" for all others, as the names of groups say it."""
    return "half" if dtype in HALF else "single"


WorkRule = Callable[[Any, Sequence[Any], Mapping[str, Any], Any], Work | Iterable[Work] | None]
"""(operator, arguments, keyword arguments, result) -> work of the call, in parts if their kernels are of different
groups; None if it launches no kernel."""
WorkspaceRule = Callable[[tuple[Any, ...]], Iterator[Workspace]]
"""Arguments -> workspaces that are requested after the results are allocated, in order."""


@dataclass(frozen=True)
class RegisteredOperator:
    """What a package states about one of its operators."""

    cast: Cast | None = None
    """How autocast and NVIDIA Apex cast its arguments; None if they do not."""
    work: WorkRule | None = None
    """How its work is counted; None if every tensor is read or written once."""
    workspaces: WorkspaceRule | None = None
    """Which workspaces it requests; None if it requests none."""


_registered: dict[Any, RegisteredOperator] = {}


def register_operator(
    operator: Any,
    *,
    cast: Cast | None = None,
    work: WorkRule | None = None,
    workspaces: WorkspaceRule | None = None,
) -> None:
    """State what an operator does on a GPU that its results on meta tensors do not show.

    `operator` is an overload, such as `torch.ops.my_package.roi_pool.default`. `cast` says how mixed precision casts
    its floating-point arguments, `work` counts what it computes and moves, and `workspaces` lists the memory that it
    requests besides its results. A second call for the same operator replaces the first. Raises `ValueError` for an
    unknown cast, or if `operator` is not an operator overload.
    """
    if not hasattr(operator, "overloadpacket"):
        raise ValueError(f"{operator!r} is not an operator overload, such as torch.ops.my_package.my_operator.default")
    if cast not in (None, "half", "float32", "widest"):
        raise ValueError(f"unknown cast {cast!r}: choose from half, float32, widest, None")
    _registered[operator] = RegisteredOperator(cast, work, workspaces)


def registered(operator: Any) -> RegisteredOperator | None:
    """What was registered for an operator; None if nothing was."""
    return _registered.get(operator)


def registered_with_cast(cast: Cast) -> tuple[Any, ...]:
    """The registered operators whose arguments are cast this way."""
    return tuple(operator for operator, rules in _registered.items() if rules.cast == cast)
