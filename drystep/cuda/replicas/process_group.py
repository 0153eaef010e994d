"""A process group without other processes, in the place of NCCL's or any other."""

import functools
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor
from torch.futures import Future

from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.torch_replacements import finished_work, replacing_group_creation

NAME = "simulated"
RANKS = 2
"""Processes where neither the program nor torchrun's environment states how many: the fewest that exchange anything."""
_reduced: list[weakref.ref[Tensor]] = []


def reduced_tensors() -> list[Tensor]:
    """Tensors that were reduced and are alive, each once. The buckets of DistributedDataParallel are among them."""
    alive = {id(tensor): tensor for reference in _reduced if (tensor := reference()) is not None}
    _reduced[:] = [weakref.ref(tensor) for tensor in alive.values()]
    return list(alive.values())


@functools.cache
def _process_group() -> Any:
    """The class of the group, made when it is first needed: not every PyTorch has process groups."""

    base: Any = dist.ProcessGroup  # whose methods have many forms, of which Python calls one

    class SimulatedGroup(base):
        """All other ranks have what this one has. Nothing is exchanged, and no device memory is taken."""

        def getBackendName(self) -> str:  # noqa: N802  # PyTorch's name
            return NAME

        def allreduce(self, tensors: Any, opts: Any = None) -> Any:
            tensors = _as_list(tensors)
            _reduced.extend(weakref.ref(tensor) for tensor in tensors)
            return _done(tensors)

        def allreduce_coalesced(self, tensors: Any, opts: Any = None) -> Any:
            return _done(_as_list(tensors))

        def broadcast(self, tensors: Any, opts: Any = None) -> Any:
            return _done(_as_list(tensors))

        def reduce(self, tensors: Any, opts: Any = None) -> Any:
            return _done(_as_list(tensors))

        @torch.no_grad()
        def allgather(self, outputs: Any, inputs: Any, opts: Any = None) -> Any:
            for gathered, tensor in zip(outputs, inputs, strict=True):
                for output in gathered:
                    output.copy_(tensor)
            return _done(outputs)

        @torch.no_grad()
        def _allgather_base(self, output: Tensor, tensor: Tensor, opts: Any = None) -> Any:
            output.view(self.size(), -1).copy_(tensor.reshape(1, -1).expand(self.size(), -1))
            return _done([output])

        all_gather_single = _allgather_base  # its name since PyTorch 2.14

        def gather(self, outputs: Any, inputs: Any, opts: Any = None) -> Any:
            return self.allgather(outputs, inputs) if outputs else _done(inputs)

        @torch.no_grad()
        def reduce_scatter(self, outputs: Any, inputs: Any, opts: Any = None) -> Any:
            for output, tensors in zip(outputs, inputs, strict=True):
                output.copy_(tensors[self.rank()])
            return _done(outputs)

        @torch.no_grad()
        def _reduce_scatter_base(self, output: Tensor, tensor: Tensor, opts: Any = None) -> Any:
            output.view(-1).copy_(tensor.view(self.size(), -1)[self.rank()])
            return _done([output])

        reduce_scatter_single = _reduce_scatter_base  # its name since PyTorch 2.14

        @torch.no_grad()
        def scatter(self, outputs: Any, inputs: Any, opts: Any = None) -> Any:
            for output, tensors in zip(outputs, inputs, strict=False):
                output.copy_(tensors[self.rank()])
            return _done(outputs)

        @torch.no_grad()
        def alltoall(self, outputs: Any, inputs: Any, opts: Any = None) -> Any:
            for output, tensor in zip(outputs, inputs, strict=True):
                output.copy_(tensor)
            return _done(outputs)

        def barrier(self, opts: Any = None) -> Any:
            return _done([])

    return SimulatedGroup


def _as_list(tensors: Any) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _done(result: Any) -> Any:
    future: Future[Any] = Future()
    future.set_result(result)
    return finished_work(future)


@contextmanager
def simulated_groups() -> Iterator[None]:
    """Make `torch.distributed.init_process_group` and `new_group` make groups without other processes.

    Rank and number of processes are those that the program states, or torchrun's environment, or 0 of 2. A group that
    exists already stays. What was made in the context is destroyed at its end.
    """
    if not dist.is_available():
        yield
        return
    existed, excepthook = dist.is_initialized(), sys.excepthook
    init_process_group = dist.init_process_group

    def rendezvous(url: str, rank: int = -1, world_size: int = -1, **options: Any) -> Iterator[tuple[Any, int, int]]:
        size = world_size if world_size > 0 else int(os.environ.get("WORLD_SIZE", RANKS))
        own = rank if rank >= 0 else int(os.environ.get("RANK", 0))
        yield dist.HashStore(), own, size  # type: ignore[attr-defined]

    def without_device(*args: Any, device_id: Any = None, **options: Any) -> None:
        init_process_group(*args, **options)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(dist, "init_process_group", without_device))
        created = functools.partial(replacing_group_creation, _registered, rendezvous)
        stack.enter_context(where_parts_exist(created, (dist, "init_process_group")))
        try:
            yield
        finally:
            _reduced.clear()
            sys.excepthook = excepthook
            if not existed and dist.is_initialized():
                dist.destroy_process_group()


def ensure_group() -> None:
    """Make the group of all processes, if the program has made none."""
    if not dist.is_initialized():
        dist.init_process_group()


def _registered() -> Any:
    """Name of the backend as PyTorch knows it."""
    if NAME not in dist.Backend.backend_list:
        dist.Backend.register_backend(
            NAME,
            lambda store, rank, size, timeout: _process_group()(rank, size),
            devices=["cpu", "cuda", "meta"],
        )
    return dist.Backend(NAME)
