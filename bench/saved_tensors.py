"""What the backbone keeps for backward: the bytes that separate the methods, without heads, optimizer or allocator."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.case import Case
from bench.simulation.semantics import semantics
from bench.training_step import prepare

META = torch.device("meta")


class _WeightCopies(TorchDispatchMode):
    """Remembers the storages that hold weights or copies of weights in another precision."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.storages = {
            tensor.untyped_storage()._cdata: tensor for tensor in (*module.parameters(), *module.buffers())
        }

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and self.has(args[0]):
            self.storages[result.untyped_storage()._cdata] = result
        return result

    def has(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self.storages


def saved_for_backward_bytes(case: Case) -> int:
    """Bytes of all storages that a forward pass of the backbone saves for backward, simulated.

    Each storage counts once; weights, and their copies in half precision, do not count.
    """
    prepared = prepare(case, META)
    storages: dict[int, torch.UntypedStorage] = {}
    weights = _WeightCopies(prepared.backbone)

    def saved(tensor: Tensor) -> Tensor:
        if not weights.has(tensor):
            storage = tensor.untyped_storage()
            storages[storage._cdata] = storage
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(saved, lambda tensor: tensor)
    with semantics(case.profile, case.precision, META), weights, hooks:
        outputs = prepared.backbone(prepared.batches[0][0])
    total = sum(storage.nbytes() for storage in storages.values())
    del outputs  # what it saved had to live until here
    return total
