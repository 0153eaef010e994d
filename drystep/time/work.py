"""What an operator computes and moves on a GPU: floating-point operations, bytes read and written, kernels launched.

The bytes of each operand count once for every pass in which CUDA's kernels read or write it. Views move nothing.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from drystep.operators import Work, WorkRule, registered
from drystep.time import convolution_work, memory_work, norm_work, product_work, rare_work

aten = torch.ops.aten
NOTHING = frozenset({
    aten.empty.memory_format, aten.empty_strided.default, aten.empty_like.default, aten.new_empty.default,
    aten.new_empty_strided.default, aten._unsafe_view.default, aten.lift.default, aten.lift_fresh.default,
    aten.detach.default, aten._local_scalar_dense.default,
})  # fmt: skip
"""Operators that launch no kernel, although PyTorch does not call them views."""
RULES: dict[Any, WorkRule] = {
    packet: rule
    for rules in (rare_work.RULES, convolution_work.RULES, memory_work.RULES, norm_work.RULES, product_work.RULES)
    for rule, packets in rules.items()
    for packet in packets
}
"""Operator -> the rule that counts it. All others are counted as lists of tensors, or as moved once."""


def work_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> tuple[Work, ...]:
    """Work of one dispatched operator, given its overload, arguments and result: as many parts as it has; () for none.

    Raises whatever the rule of an operator raises for arguments that it cannot count.
    """
    rule = _rule_of(func)
    counted = None if rule is None else rule(func, args, kwargs, result)
    if counted is None:
        return ()
    return (counted,) if isinstance(counted, Work) else tuple(counted)


def _rule_of(func: Any) -> WorkRule | None:
    stated = registered(func)
    return _own_rule_of(func) if stated is None or stated.work is None else stated.work


@functools.cache
def _own_rule_of(func: Any) -> WorkRule | None:
    if func.is_view or func in NOTHING:
        return None
    rule = RULES.get(func.overloadpacket)
    if rule is not None:
        return rule
    return memory_work.foreach if func.__name__.startswith("_foreach_") else memory_work.moved
