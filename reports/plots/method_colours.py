"""One colour per method: the same in every picture, and on the HTML page."""

from collections.abc import Iterable

from reports.records import labels

COLOURS = (
    "#4a4f57", "#9c6b30", "#0088a8", "#7b61d1", "#a8519b", "#3f7fd9", "#00897b", "#c2622d", "#7d7d00", "#d6336c",
    "#e0568f", "#a01a52", "#5f7d95", "#4e5bb0",
)  # fmt: skip
"""Those of the page's style sheet on a light screen: the paper's methods in its order, then others as they come."""


def colours_of(keys: Iterable[str]) -> dict[str, str]:
    """Method key -> its colour, for the paper's methods and for these."""
    everything = dict.fromkeys([*labels(), *keys])
    return {key: COLOURS[number % len(COLOURS)] for number, key in enumerate(everything)}
