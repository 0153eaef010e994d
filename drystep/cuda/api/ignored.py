"""What a program calls although only a GPU has an answer, told in sentences of the simulation."""

from collections.abc import Iterable

EMPTY_CACHE = (
    "torch.cuda.empty_cache did nothing: on a GPU it returns cached memory to the driver, so that the reserved peak "
    "may be lower than the simulated one"
)


class Ignored:
    """Which functions a program called in vain, in the order of their first calls."""

    def __init__(self) -> None:
        self._in_vain: dict[str, None] = {}
        self._about_card: dict[str, str] = {}

    def note(self, name: str) -> None:
        """Note that a function did nothing."""
        self._in_vain[name] = None

    def note_card(self, name: str, label: str) -> None:
        """Note that a function described a card which nobody had named."""
        self._about_card[name] = label

    def remarks(self) -> list[str]:
        """At most one sentence for what did nothing, one for `empty_cache`, and one for what described a card."""
        names = [name for name in self._in_vain if not name.endswith(".empty_cache")]
        said = []
        if names:
            said.append(f"{_listed(names)} did nothing: figures of this simulation replace what they would say")
        if len(names) < len(self._in_vain):
            said.append(EMPTY_CACHE)
        if self._about_card:
            label = next(iter(self._about_card.values()))
            said.append(f"{_listed(self._about_card)} described {label}: name another card by rules=Rules(card=...)")
        return said


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
