"""Bytes that the backbone keeps for backward, in which methods differ, without heads, optimizer and allocator."""

from typing import Any

import torch
from torch import Tensor, nn

from bench.cases.case import Case
from bench.cases.training_step import prepare
from drystep.cuda.meta_cache import META
from drystep.cuda.semantics import semantics
from drystep.torch_private import DispatchMode, key_of, storage_key


class _WeightCopies(DispatchMode):
    """Remembers the storages that hold weights or copies of weights in another precision."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.storages = {storage_key(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and self.has(args[0]):
            self.storages[storage_key(result)] = result
        return result

    def has(self, tensor: Tensor) -> bool:
        return storage_key(tensor) in self.storages


def saved_for_backward_bytes(case: Case) -> int:
    """Simulate a forward pass of the backbone, and return the bytes of all storages that it saves for backward.

    Each storage counts once. Weights and their copies in half precision do not count.
    """
    prepared = prepare(case, META)
    storages: dict[int, torch.UntypedStorage] = {}
    weights = _WeightCopies(prepared.backbone)

    def saved(tensor: Tensor) -> Tensor:
        if not weights.has(tensor):
            storage = tensor.untyped_storage()
            storages[key_of(storage)] = storage
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor)
    with semantics(case.rules, case.precision, META), weights, hooks:
        outputs = prepared.backbone(prepared.batches[0][0])
    total = sum(storage.nbytes() for storage in storages.values())
    del outputs  # its graph had to keep the saved storages alive until here
    return total
