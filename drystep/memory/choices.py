"""Replays of one trace under what cards may choose: the workspaces that are certain, and those that are possible."""

from dataclasses import dataclass

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.driver import AddressOrder, address_order
from drystep.memory.replay import Replay, replay
from drystep.memory.verdict import CardVerdict
from drystep.operators import Workspace
from drystep.trace.trace import Trace


@dataclass(frozen=True)
class Fit:
    """Whether a step runs on a card, decided by replaying it under the card's usable memory."""

    verdict: CardVerdict
    usable_bytes: int
    peak_reserved_bytes: int
    """Highest sum of reserved memory on that card, up to the failure if it ran out of memory. It counts the workspaces
    that are certain."""
    alloc_retries: int


class Choices:
    """Replays a trace with one configuration of the allocator, and no replay twice."""

    def __init__(self, trace: Trace, settings: AllocatorSettings, whole_card: bool = True) -> None:
        self._trace, self._settings, self._whole_card = trace, settings, whole_card
        found = (allocation.workspace for allocation in trace.allocations)
        self._workspaces = {(each.certain, each.architectures): each for each in found if each is not None}
        self._replays: dict[tuple[int | None, frozenset[Workspace], AddressOrder], Replay] = {}

    def replay(self, possible: bool, architecture: str, capacity_bytes: int | None = None) -> Replay:
        """Replay with the certain workspaces of an architecture, or also with the possible ones."""
        requested = frozenset(each for each in self._workspaces.values() if each.is_requested(possible, architecture))
        key = (capacity_bytes, requested, address_order(architecture))
        if key not in self._replays:
            self._replays[key] = replay(
                self._trace, capacity_bytes, possible, None, self._settings, self._whole_card, architecture
            )
        return self._replays[key]

    def fit(self, architecture: str, usable_bytes: int) -> Fit:
        """Judge a card of an architecture that leaves so much to the allocator."""
        least, most = (self._within(possible, architecture, usable_bytes) for possible in (False, True))
        certain = (least.verdict == "oom") == (most.verdict == "oom")
        verdict: CardVerdict = least.verdict if certain else "depends"
        return Fit(verdict, usable_bytes, least.peak_reserved_bytes, least.alloc_retries)

    def fits(self, architecture: str, usable_bytes: int) -> bool:
        """Whether it fits such a card whatever the card chooses, with fewer replays than `fit`."""
        return all(self._within(possible, architecture, usable_bytes).verdict != "oom" for possible in (False, True))

    def _within(self, possible: bool, architecture: str, usable_bytes: int) -> Replay:
        """Replay under a limit, unless it is never reached and so changes nothing."""
        unlimited = self.replay(possible, architecture)
        if unlimited.peak_reserved_bytes <= usable_bytes:
            return unlimited
        return self.replay(possible, architecture, usable_bytes)
