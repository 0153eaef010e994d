"""Cards that can compute a step, and those that lack its precision."""

from collections.abc import Mapping, Sequence
from typing import Any

from drystep.gpus.classes import Gpu

Row = Mapping[str, Any]
"""What JSON has of one card."""


def by_precision(cards: Sequence[Gpu], precision: str, named: Sequence[str]) -> tuple[list[Gpu], list[Gpu]]:
    """Cards that can compute in a precision, and those that lack it.

    Raises `ValueError` for a card that is named and lacks it, or where none has it.
    """
    lacking = [card for card in cards if precision == "amp-bf16" and card.peaks.lacks_bfloat16]
    for card in lacking:
        if card.name in named or len(lacking) == len(cards):
            raise ValueError(
                f"{card.name} has no bfloat16 units: take --precision amp-fp16 or fp32, or a card of Ampere or later"
            )
    return [card for card in cards if card not in lacking], lacking


def unsupported(card: Gpu, like: Row) -> Row:
    """The row of a card that lacks the precision: nothing is known of it but that."""
    kept = {"batch_size", "image_size", "ranks", "warnings", "assumptions", "assumed_rows", "uncapped"}
    empty = {name: value if name in kept else None for name, value in like.items()}
    reason = f"{card.name} has no bfloat16 units"
    return {
        **empty, "gpu": card.name, "verdict": "not_supported", "time_unknown": reason, "rests_on": [], "advice": [],
        "usable_bytes": card.usable_bytes,
    }  # fmt: skip
