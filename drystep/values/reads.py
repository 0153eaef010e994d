"""What one run of a step knows of values, and the answers that it was given."""

from typing import Any, NamedTuple

from drystep.errors import SimulationError
from drystep.program.places import Place
from drystep.values.assumptions import MOST_ANSWERS, Assumption, Kind
from drystep.values.following import Followed
from drystep.values.known import DEFAULT_LIMIT_BYTES, KnownValues
from drystep.values.oracle_lookup import Lookup, OracleLookup
from drystep.values.oracles import Oracles
from drystep.values.sides import FIRST_SIDES, Question, Sides

MOST_READS = 20_000
"""Values that one line may ask for in one step."""
MOST_ASSUMED = 2_000
"""Values that one line may ask for in one step where the answers are assumed: a loop that waits for another value
never ends."""


class Choice(NamedTuple):
    """What may be assumed of a question."""

    asked: str
    """The question in words."""
    answers: tuple[Any, ...]
    """Its answers, by number."""


class _Tally:
    """The answers to one question of one kind."""

    def __init__(self, place: Place, asked: str, operator: str, most_rows: int | None) -> None:
        self.place, self.asked, self.operator, self.most_rows = place, asked, operator, most_rows
        self.answers: list[Any] = []
        self.times = 0


class Reads:
    """Answers what one run of a step asks about values, and remembers what it answered.

    `limit_bytes` is the largest storage whose values are kept; None stands for no limit, and 0 for no values at all.
    `sides` choose among the answers that may be assumed.
    """

    def __init__(
        self,
        lookup: Lookup | None = None,
        limit_bytes: int | None = DEFAULT_LIMIT_BYTES,
        sides: Sides = FIRST_SIDES,
    ) -> None:
        self.known = KnownValues(limit_bytes)
        self.followed = Followed(self.known)
        self.oracles: Lookup = lookup or OracleLookup(Oracles())
        self.sides = sides
        self.assumed: dict[Question, Choice] = {}
        """Questions that were answered by an assumption, the latest last."""
        self._tallies: dict[tuple[Question, Kind, str], _Tally] = {}
        self._reads_of_step: dict[Question, int] = {}
        self._last: str = ""

    def begin_step(self) -> None:
        """Begin to count the reads of a step."""
        self.oracles.begin_step()
        self._reads_of_step.clear()
        self._last = ""

    @property
    def last_given(self) -> str:
        """The last answer of this step that was stated or assumed, as a sentence; "" if all were known."""
        return self._last

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """All that was asked."""
        return tuple(
            Assumption(
                tally.asked, tally.operator, tally.place.where, tally.place.library, kind, tuple(tally.answers),
                tally.times, tally.place.names, note, tally.most_rows,
                question,
            )
            for (question, kind, note), tally in self._tallies.items()
        )  # fmt: skip

    def note(
        self, func: Any, place: Place, asked: str, answer: Any, kind: Kind, note: str = "", most_rows: int | None = None
    ) -> None:
        """Remember an answer. Raises `SimulationError` if a line asks without end."""
        question: Question = (*place.key, str(func))
        tally = self._tallies.get((question, kind, note))
        if tally is None:
            tally = self._tallies[question, kind, note] = _Tally(place, asked, str(func), most_rows)
        tally.times += 1
        if len(tally.answers) < MOST_ANSWERS and answer not in tally.answers:
            tally.answers.append(answer)
        if kind != "known":
            self._last = f"{asked} was {kind} to be {answer}"
        count = self._reads_of_step[question] = self._reads_of_step.get(question, 0) + 1
        if count > (MOST_ASSUMED if kind == "assumed" else MOST_READS):
            raise SimulationError(
                f"one line asks for values {count:,} times in one step: {asked}, {kind} to be {answer} the last time. "
                f"State what it reads with --oracle {next(iter(place.names), 'item')}=..., if the step is to end"
            )
