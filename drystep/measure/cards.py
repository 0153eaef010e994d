"""The GPUs of this machine, looked at from another process: the parent needs no CUDA context, and holds no memory."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from drystep.gpus.classes import Gpu
from drystep.measure import nvml
from drystep.measure.parent import Child
from drystep.units import GIB, MIB

NO_DEVICE = "no CUDA device: choose --engine simulate (any size, no GPU needed) or --engine cpu"
LOOKING = "drystep.measure.cards:CardsSession"
LOOKING_LIMIT_S = 120
IDLE_BYTES = GIB
"""What an idle card may show: driver, and a desktop. Decides only where the driver hides who computes."""


@dataclass(frozen=True)
class Card:
    """One GPU that PyTorch can see."""

    index: int
    """Among those that this process can see."""
    name: str
    total_bytes: int
    """Memory the driver shows."""
    uuid: str
    """NVML's name of it."""
    compute_capability: str = ""
    """Version of its architecture, as "8.6"."""

    @property
    def environment(self) -> dict[str, str]:
        """What makes it the only card that a process can see."""
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        return {"CUDA_VISIBLE_DEVICES": visible[self.index] if visible else str(self.index)}

    def in_use(self) -> str:
        """Who else has the card, in a few words; empty if nobody, or if nobody can tell."""
        now = nvml.occupancy(self.uuid, os.getpid())
        if now.others:
            return f"processes {', '.join(map(str, now.others))} compute on it"
        taken_bytes = now.device_bytes or 0
        if now.others is None and taken_bytes > IDLE_BYTES:
            return f"{taken_bytes // MIB} MiB of it are taken"
        return ""


def require_cards() -> None:
    """Raise `ValueError` unless there is a CUDA device."""
    if not torch.cuda.is_available():
        raise ValueError(NO_DEVICE)


@functools.cache
def cards() -> tuple[Card, ...]:
    """All that this process can see. Raises `ValueError` if there is none."""
    require_cards()
    with Child(LOOKING, {}, LOOKING_LIMIT_S) as child:
        return tuple(Card(index, **fields) for index, fields in enumerate(child.call("all")))


def classes_for(gpus: Sequence[Gpu], card_name: str, total_bytes: int, named: bool) -> list[Gpu]:
    """The classes that a card can stand for. Raises `ValueError` if one is more than the card, and was `named`."""
    too_large = [gpu for gpu in gpus if gpu.usable_bytes > total_bytes]
    if named and too_large:
        raise ValueError(
            f"{too_large[0].name} has {too_large[0].usable_bytes // MIB} MiB to use, and {card_name} only "
            f"{total_bytes // MIB} MiB in all: a limit makes a card smaller, never larger"
        )
    return [gpu for gpu in gpus if gpu not in too_large]


class CardsSession:
    """Looks at the cards that this process can see, so that the parent needs no CUDA context of its own."""

    def __init__(self, note_phase: Callable[[str], None]) -> None:
        note_phase("looking for cards")

    def all(self) -> list[dict[str, Any]]:
        """Name, memory, NVML's name and architecture of each."""
        properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return [
            {
                "name": of_card.name,
                "total_bytes": of_card.total_memory,
                "uuid": f"GPU-{of_card.uuid}",
                "compute_capability": f"{of_card.major}.{of_card.minor}",
            }
            for of_card in properties
        ]

    def so_far(self) -> dict[str, Any]:
        """Nothing."""
        return {}
