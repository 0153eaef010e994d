"""The processes of one training, as `torchrun` starts them: one for each GPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from drystep.errors import choose


@dataclass(frozen=True)
class Processes:
    """This process among those of a training."""

    device: torch.device
    rank: int = 0
    """Number of this process, from 0."""
    count: int = 1
    """Number of processes."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()


DEVICES = ("auto", "cuda", "cpu")


def device_of(name: str) -> torch.device:
    """The device that a name of `DEVICES` means; "auto" takes CUDA where there is a device.

    Raises `ValueError` for another name, and for CUDA where there is none.
    """
    choose("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("no CUDA device was found: take --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` has started, if it has, until the block ends.

    `device` is what `device_of` takes.
    """
    place = device_of(device)
    if place.type == "cuda":
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(place)
        return
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Processes(place, distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
