"""Cards that can compute a step, and those that lack its precision."""

from collections.abc import Sequence

from drystep.gpus.classes import Gpu


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
