"""How many multiprocessors cards have, by compute capability."""

MULTIPROCESSORS = {"9.0": 132}
"""Compute capability -> multiprocessors of the cards whose requests were recorded: H100 and H200 in SXM form."""
MOST_MULTIPROCESSORS = {"6.0": 56, "6.1": 30, "7.0": 80, "7.5": 72, "8.0": 108, "8.6": 84, "8.9": 142, "9.0": 132}
"""Compute capability -> multiprocessors of the largest card that has it."""
LARGEST_CARD = 188
"""Multiprocessors of the largest card of all (RTX PRO 6000 Blackwell), for capabilities that are not listed."""


def most_multiprocessors(architecture: str) -> int:
    """The most multiprocessors that a card of a compute capability has; of any card for "" and unknown ones."""
    return MOST_MULTIPROCESSORS.get(architecture, LARGEST_CARD)
