"""What a step requests on the card and what its simulation requests: the sizes that only one of them has."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.cases.case import Case
from bench.proof.folder import Folder


@dataclass(frozen=True)
class Difference:
    """The sizes, in bytes, of which one side has more requests, with how many; those of most bytes first."""

    only_measured: list[tuple[int, int]]
    only_simulated: list[tuple[int, int]]
    common: int
    """Number of requests that both sides have."""


def sizes_item(case: Case) -> str:
    """Name of the note that holds the sizes that a simulated step requests."""
    return f"simulated requests {case.title}"


def difference(measured: Iterable[tuple[int, int]], simulated: Iterable[tuple[int, int]]) -> Difference:
    """Compare the sizes of two steps' requests, each a size and how often it was requested."""
    ours, theirs = Counter(dict(simulated)), Counter(dict(measured))
    return Difference(_largest(theirs - ours), _largest(ours - theirs), (ours & theirs).total())


def differences(folder: Folder) -> dict[str, Difference]:
    """Title of a case -> the difference, for recorded cases that were simulated with their sizes."""
    found = {}
    for case in folder.measured:
        recorded = _sizes(folder, f"snapshot {case.title}")
        simulated = _sizes(folder, sizes_item(case))
        if recorded and simulated:
            found[case.title] = difference(recorded, simulated)
    return found


def _sizes(folder: Folder, item: str) -> list[tuple[int, int]]:
    note = folder.notes.get(item)
    figures: Mapping[str, Any] = note.figures if note else {}
    return [(size, count) for size, count in figures.get("sizes", ())]


def _largest(sizes: Counter[int]) -> list[tuple[int, int]]:
    return sorted(sizes.items(), key=lambda pair: -pair[0] * pair[1])
