"""A call of an operator on meta tensors, counted by the rule that it has."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from drystep.operators import Work
from drystep.time.rare_work import RULES

Count = Callable[..., Work]


@pytest.fixture
def count() -> Count:
    """Count a call of an overload. Its result is that on meta tensors, unless `result` gives one."""

    def counted(func: Any, *args: Any, result: Any = None, **kwargs: Any) -> Work:
        (rule,) = [rule for rule, packets in RULES.items() if func.overloadpacket in packets]
        work = rule(func, args, kwargs, func(*args, **kwargs) if result is None else result)
        assert work is not None
        assert work.kernels >= 1
        computes = work.kind in ("linear", "bmm") or work.group == "fft"
        assert (work.flops > 0) == computes, "only products and transforms have operations"
        return work

    return counted


@pytest.fixture
def meta() -> Callable[..., Tensor]:
    """A tensor without values, of float32 unless told otherwise."""

    def tensor(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    return tensor
