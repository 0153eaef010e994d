"""What happens to known values in each operator, by its name and schema."""

from collections.abc import Iterator
from typing import Any, Literal

import torch

from drystep.torch_private import schema_of

aten = torch.ops.aten
Plan = Literal["nothing", "blank", "random", "compute", "write", "forget"]
"""What happens to values: nothing, room for unwritten memory, numbers drawn on the host, results computed there, the
same in place, or all arguments become unknown."""
NAMESPACES = ("aten", "prims")
"""Packages whose operators run on the host as well. Those of others may do more there than their results show."""
BLANK = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "empty_permuted",
    "_efficientzerotensor",
}
"""Operators whose results are memory that nobody has written yet."""
RANDOM = {
    "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "normal_", "uniform",
    "uniform_", "bernoulli", "bernoulli_", "random", "random_", "multinomial", "poisson", "exponential_", "log_normal_",
    "geometric_", "cauchy_", "native_dropout", "_fused_dropout", "rrelu_with_noise", "rrelu_with_noise_",
}  # fmt: skip
"""Operators that draw random numbers."""
MOST_DRAWN = 1 << 19
"""Most random numbers that are drawn for one result. Boxes, labels and orders of anchors need fewer."""
MOST_DRAWN_IN_PLACE = 1 << 16
"""Most random numbers that are drawn in place, as initialisations and dropout masks do more often than data."""
FILLED = {
    "zeros": 0, "ones": 1, "full": None, "zeros_like": 0, "ones_like": 1, "full_like": None, "new_zeros": 0,
    "new_ones": 1, "new_full": None,
}  # fmt: skip
"""Operators whose results have the same value everywhere, and that value; None for the value of their argument."""
SHAPED = {
    "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros", "new_ones",
    "new_full",
}  # fmt: skip
"""Operators that read the shape of their first argument, and not its values."""
NOWHERE_TRUE = {aten.isnan.default, aten.isinf.default, aten.isposinf.default, aten.isneginf.default}
"""Operators whose results a program expects to be false everywhere, as in PyTorch's detection of anomalies."""
ON_EQUAL_VALUES = {
    aten.all.default, aten.all.dim, aten.any.default, aten.any.dim, aten.logical_not.default, aten.bitwise_not.default,
}  # fmt: skip
"""Operators that a tensor of equal values goes through as one of them does."""
MOST_OPERANDS = 1 << 24
"""Most elements of an operator's inputs for which it runs on the host; views may repeat the bytes that are kept."""
WRITTEN_SILENTLY = {
    aten.native_batch_norm.default: (3, 4),
    aten.cudnn_batch_norm.default: (3, 4),
    aten.miopen_batch_norm.default: (3, 4),
    aten.batch_norm_gather_stats.default: (3, 4),
    aten.batch_norm_gather_stats_with_counts.default: (3, 4),
}
"""Operators that write to arguments although their schema does not say so, and the positions of these."""
UNCHECKED = {
    "_ctc_loss", "_ctc_loss_backward", "_embedding_bag", "_embedding_bag_forward_only", "_pack_padded_sequence",
    "_unsafe_index", "_unsafe_index_put", "_unsafe_masked_index", "_unsafe_masked_index_put_accumulate",
}  # fmt: skip
"""Operators whose kernels do not check that values lie within bounds. Assumed or drawn values might not."""
RESIZING = {"resize_", "resize_as_", "_resize_output_", "set_", "set_data"}
"""Operators that change a tensor's storage, or the size of it."""
FILLING = {aten.zero_.default, aten.fill_.Scalar, aten.fill_.Tensor, aten.copy_.default}
"""In-place operators whose result does not depend on what was there before."""


def plan_of(func: Any) -> Plan:
    """What happens to values in an operator, from its name and schema."""
    schema = schema_of(func)
    if schema is None:
        return "nothing"
    name = schema.name.split("::")[-1]
    writes = any(map(is_written, schema.arguments))
    if func.namespace not in NAMESPACES:
        return "forget" if writes else "nothing"
    if name in RANDOM:
        return "random"
    if name in BLANK:
        return "blank"
    if name in UNCHECKED:
        return "nothing"
    if name in RESIZING:
        return "forget"
    if writes:
        return "nothing" if torch.Tag.inplace_view in func.tags else "write"
    is_view = any(argument.alias_info for argument in schema.arguments) or name == "_unsafe_view"
    return "nothing" if is_view or not schema.returns else "compute"


def written_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
    """The arguments that an operator writes to, by its schema."""
    for position, argument in enumerate(schema_of(func).arguments):
        if is_written(argument):
            yield args[position] if position < len(args) else kwargs.get(argument.name)


def is_written(argument: Any) -> bool:
    """Whether an operator writes to an argument, as its schema says."""
    return argument.alias_info is not None and argument.alias_info.is_write
