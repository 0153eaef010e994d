"""The run: items in order until the time is up, simulations beside them, and a summary that is always up to date."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.cases.case import Case
from bench.engines import cuda
from bench.engines.settings import Say, Settings
from bench.proof.ahead import Ahead, Request
from bench.proof.clock import Clock
from bench.proof.folder import Folder, Note
from bench.proof.perform import Place, UnfinishedError, perform
from bench.proof.plan import CLASSES, Item, plan
from bench.proof.simulations import Simulations, processes_beside
from bench.proof.states import can_measure, state_of, to_do
from bench.proof.summary import Ending, write_summary
from drystep.errors import OutputError
from drystep.gpus.classes import class_name, select_gpus
from drystep.measure.cards import Card, cards, classes_for
from drystep.measure.failure import ChildError, describe

LEAST_CORES_AHEAD = 4
"""From so many cores on, the next case's process starts while one measures."""
FIRST_CARD = Card(0, "", 0, "")
"""Stands for the first card until it was looked at."""


@dataclass
class Outcome:
    """How a run ended."""

    folder: Path
    done: list[str] = field(default_factory=list)
    """Titles of items, as below."""
    failed: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    """The time did not suffice for them."""
    left_out: list[str] = field(default_factory=list)
    """This card cannot do them."""
    not_simulated: int = 0
    """Number of measured cases whose simulation was not finished."""


def prove(root: Path, clock: Clock, say: Say, items: Sequence[Item] | None = None) -> Outcome:
    """Do what is still to do on the first card, in the clock's time, into a folder of the card's name below `root`.

    Raises `ValueError` for a folder that cannot be used, and `OutputError`. Whatever stops it, a signal too, the folder
    has all that was done, and its summary.
    """
    items = plan() if items is None else items
    ahead = Ahead(FIRST_CARD, (os.cpu_count() or 1) >= LEAST_CORES_AHEAD, max(clock.left_s, 1.0))
    try:
        ahead.start(None if not items or items[0].case is None else (items[0].case, None))
        card = _first_card(say)
        cuda.require_idle(Settings(allow_busy=True), say)
        folder = Folder(root / class_name(card.name))
        gpus = classes_for(select_gpus(CLASSES), card.name, card.total_bytes, named=False)
        return _Run(items, Place(card, gpus, folder, ahead), clock, say).measure_all()
    finally:
        ahead.close()


def _first_card(say: Say) -> Card:
    """The first card that this process can see. Raises `ValueError` where it cannot be looked at."""
    try:
        found = cards()
    except ChildError as error:
        raise ValueError(f"cannot look at the GPU: {error}") from error
    if len(found) > 1:
        say(f"this machine has {len(found)} GPUs: the first, {found[0].name}, is measured")
    return found[0]


class _Run:
    """One start of `prove` on one card."""

    def __init__(self, items: Sequence[Item], place: Place, clock: Clock, say: Say) -> None:
        able = [item for item in items if can_measure(item, place.card.compute_capability)]
        unable = [item.title for item in items if item not in able]
        self._todo = to_do(able, place.folder, place.gpus)
        self._place, self._clock, self._say = place, clock, say
        self._outcome = Outcome(place.folder.path, left_out=unable)
        self._recorded = {item.case for item in items if item.kind == "snapshot"}
        self._simulations = Simulations(place.folder, place.card, place.gpus, processes_beside())

    def measure_all(self) -> Outcome:
        """Do the items, then wait for the simulations; the summary is written whatever happens."""
        stopped_by = ""
        try:
            for result in self._place.folder.measured.values():
                self._simulate(result.case)
            for number in range(len(self._todo)):
                self._do(number)
            self._outcome.not_simulated = self._simulations.finish(lambda: self._clock.left_s)
        except BaseException as error:
            stopped_by = str(error) or type(error).__name__
            raise
        finally:
            self._summarise(stopped_by)  # first, because ending processes that hold a card takes long
            self._simulations.close()
        if self._simulations.problem:
            raise OutputError(self._simulations.problem)
        return self._outcome

    def _do(self, number: int) -> None:
        item, place = self._todo[number], self._place
        if state_of(item, place.folder, place.gpus) == "done":  # another item has found it out
            self._outcome.done.append(item.title)
            return
        if not self._clock.allows(item):
            self._outcome.unreached.append(item.title)
            return
        self._prepare_next(item, self._todo[number + 1 :])
        left_before_s = self._clock.left_s
        try:
            said = perform(item, place, self._clock.limit_s())
        except UnfinishedError:
            self._outcome.unreached.append(item.title)
            return
        except OutputError:
            raise
        except Exception as error:
            said = f"error: {describe(error)}"
            place.folder.add_note(Note(item.title, "error", describe(error)))
        self._clock.note(item, left_before_s - self._clock.left_s)
        self._take_up(item)
        self._say(
            f"{number + 1} of {len(self._todo)}, {self._clock.left_s / 60:.1f} minutes left: {item.title}: {said}"
        )
        self._summarise("")

    def _take_up(self, item: Item) -> None:
        """Note how an item ended, and have simulated what it makes worth it."""
        state = state_of(item, self._place.folder, self._place.gpus)
        (self._outcome.done if state == "done" else self._outcome.failed).append(item.title)
        note = self._place.folder.notes.get(item.title)
        if state == "done" and note is not None and note.status == "error":  # of an earlier start
            self._place.folder.add_note(Note(item.title, "ok"))
        if item.kind == "calibration":
            for result in list(self._place.folder.measured.values()):
                self._simulate(result.case)
        elif item.case is not None:
            self._simulate(item.case)

    def _simulate(self, case: Case) -> None:
        self._simulations.want(case, with_sizes=case in self._recorded)

    def _prepare_next(self, item: Item, following: Sequence[Item]) -> None:
        """Let the process of the next item start while this one is done."""
        waiting = (each for each in following if state_of(each, self._place.folder, self._place.gpus) != "done")
        request = self._request(next(waiting, None))
        if item.kind in ("case", "limits"):
            self._place.ahead.expect(request)
        elif item.kind != "calibration" or request is None or request[1] is None:
            # A process with a limit has a context on the card, which a calibration would take for its own.
            self._place.ahead.start(request)

    def _request(self, item: Item | None) -> Request | None:
        """The first process that an item will need, where that is known."""
        if item is None or item.case is None or item.kind not in ("case", "limits"):
            return None
        if item.kind == "case":
            return item.case, None
        result = self._place.folder.measured.get(item.case)
        limited = [gpu.usable_bytes for gpu in self._place.gpus if result and cuda.needs_limit(result, gpu)]
        return (item.case, max(limited)) if limited else None

    def _summarise(self, stopped_by: str) -> None:
        outcome = self._outcome
        rest = [item.title for item in self._todo if item.title not in {*outcome.done, *outcome.failed}]
        write_summary(
            self._place.folder, self._place.card, self._place.gpus, Ending(stopped_by, rest, outcome.left_out)
        )
