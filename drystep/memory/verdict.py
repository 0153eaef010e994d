"""What a training step does under a card's memory."""

from typing import Literal

Verdict = Literal["fits", "fits_with_retries", "oom"]
"""It fits; it fits after the allocator has released cached segments; it runs out of memory."""
CardVerdict = Literal["fits", "fits_with_retries", "oom", "depends"]
"""The same for a card, whichever convolution algorithms it chooses; "depends" where it fits with only some of them."""
FITTING: tuple[CardVerdict, ...] = ("fits", "fits_with_retries")
"""Verdicts of a step that fits, whatever the card chooses."""
