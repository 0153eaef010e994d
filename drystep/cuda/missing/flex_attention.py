"""`flex_attention` that is not compiled, which PyTorch allows on few devices and trains on fewer."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module

import torch
from torch import Tensor

from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.cuda.dispatch import not_interposed
from drystep.torch_replacements import replacing_flex_attention


@contextmanager
def flex_attention_anywhere() -> Iterator[None]:
    """Compute `flex_attention` on any device by PyTorch's dense implementation, all scores of a head and more.

    That is what CUDA runs where the function is not compiled (`sdpa_dense` and `sdpa_dense_backward` in
    `torch/_higher_order_ops/flex_attention.py`). Under autocast, query, key and value are cast, and nothing else is.
    """
    attention = import_module("torch.nn.attention.flex_attention")
    with where_parts_exist(lambda: replacing_flex_attention(_cast, _computing), (attention, "flex_attention")):
        yield


def _cast(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    kind = query.device.type
    if not torch.is_autocast_enabled(kind):
        return query, key, value
    dtype = torch.get_autocast_dtype(kind)
    return query.to(dtype), key.to(dtype), value.to(dtype)


def _computing() -> AbstractContextManager[None]:
    return not_interposed()
