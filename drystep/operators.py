"""What an operator asks of a GPU beside its results, and the register of what operators of other packages ask.

Operators of PyTorch have rules in `drystep/cuda` and `drystep/time`. A package with operators of its own
(`torch.library.custom_op`) states theirs with `register_operator`, and no rule of drystep has to know them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

Kind = Literal[
    "linear", "bmm", "conv", "attention", "elementwise", "broadcast", "copy", "gather", "dropout", "softmax",
    "layer_norm", "layer_norm_backward", "optimizer",
]  # fmt: skip
"""Classes of operators that achieve a like fraction of a card's peak."""
Cast = Literal["half", "float32", "widest"]
"""What automatic mixed precision does to floating-point arguments: lowers them, widens them to float32, or brings them
to the widest type among them."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one operator computes and moves on a GPU."""

    kind: Kind
    """Class of the operator."""
    flops: int
    """Floating-point operations of matrix products and convolutions; 0 of what only moves bytes."""
    moved_bytes: int
    """Bytes read and written."""
    kernels: int
    """Kernels launched, of about equal size."""
    dtype: torch.dtype
    """What it computes in."""
    narrowest: int = 0
    """Smallest side of a matrix product, fewer channels of a convolution; 0 elsewhere."""
    reduced: int = 0
    """Length of a product's sums, or of the rows of softmax and layer norm; 0 elsewhere."""
    convolution: bool = False
    """Whether cuDNN computes it, which has its own rules of precision."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that an operator's library asks of PyTorch's allocator beside the results."""

    size_bytes: int
    soft: bool
    """Whether the library goes on without it."""
    kept: bool
    """Whether it stays allocated after the call."""


WorkRule = Callable[[Any, Sequence[Any], Mapping[str, Any], Any], Work | None]
"""(operator, arguments, keyword arguments, result) -> its work; None if it launches no kernel."""
WorkspaceRule = Callable[[tuple[Any, ...]], Iterator[Workspace]]
"""Arguments -> what is asked for after the results are allocated, in order."""


@dataclass(frozen=True)
class RegisteredOperator:
    """What a package states about an operator of its own."""

    cast: Cast | None = None
    """What autocast and NVIDIA Apex do to its arguments; None: nothing."""
    work: WorkRule | None = None
    """How its work is counted; None: every tensor is read or written once."""
    workspaces: WorkspaceRule | None = None
    """What it asks for besides its results; None: nothing."""


_registered: dict[Any, RegisteredOperator] = {}


def register_operator(
    operator: Any,
    *,
    cast: Cast | None = None,
    work: WorkRule | None = None,
    workspaces: WorkspaceRule | None = None,
) -> None:
    """State what an operator of another package does on a GPU that its results on meta tensors do not show.

    `operator` is an overload, such as `torch.ops.my_package.roi_pool.default`. A second statement about the same
    operator replaces the first. Raises `ValueError` for an unknown cast, or for what is no operator overload.
    """
    if not hasattr(operator, "overloadpacket"):
        raise ValueError(f"{operator!r} is not an operator overload, such as torch.ops.my_package.my_operator.default")
    if cast not in (None, "half", "float32", "widest"):
        raise ValueError(f"unknown cast {cast!r}: choose from half, float32, widest, None")
    _registered[operator] = RegisteredOperator(cast, work, workspaces)


def registered(operator: Any) -> RegisteredOperator | None:
    """What was stated about an operator; None if nothing was."""
    return _registered.get(operator)


def registered_with_cast(cast: Cast) -> tuple[Any, ...]:
    """The registered operators whose arguments are cast in this way."""
    return tuple(operator for operator, rules in _registered.items() if rules.cast == cast)
