"""What a training step does under a card's memory."""

from typing import Literal

Verdict = Literal["fits", "fits_with_retries", "oom"]
"""It fits; it fits after the allocator has released cached segments; it runs out of memory."""
