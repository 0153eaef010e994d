"""A turn: one timed step and inference of a process. A round: turns of a case and of its reference, next to each other.

Only times of one round are compared, because a machine's speed changes with whatever else it does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from bench.engines.timing.contention import ProcessorUse
from bench.engines.timing.timings import Timings
from drystep.measure.phases import PhaseTimes


@dataclass(frozen=True)
class Turn:
    """What a process of the cpu engine tells of one timed step."""

    step_ms: PhaseTimes
    inference_ms: float
    use: ProcessorUse
    """Of the processors, during the step and the inference."""

    def as_fields(self) -> dict[str, Any]:
        """The turn as JSON has it."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The turn that `as_fields` wrote."""
        return cls(fields["step_ms"], fields["inference_ms"], ProcessorUse(**fields["use"]))


@dataclass(frozen=True)
class Round:
    """A turn of a case, and the turn of its reference just before or after, if it has one."""

    own: Turn
    reference: Turn | None = None

    @property
    def ratio(self) -> float | None:
        """The case's step time in parts of the reference's; None where that is missing or took no time."""
        other_ms = sum(self.reference.step_ms.values()) if self.reference else 0.0
        return sum(self.own.step_ms.values()) / other_ms if other_ms else None

    @property
    def use(self) -> ProcessorUse:
        """Of the processors, during both turns."""
        return self.own.use + self.reference.use if self.reference else self.own.use

    @property
    def is_contended(self) -> bool:
        """Whether other processes disturbed one of the turns."""
        return self.own.use.is_contended or (self.reference is not None and self.reference.use.is_contended)


def timings_of(turns: Iterable[Turn]) -> Timings:
    """The times of some turns."""
    timings = Timings()
    for turn in turns:
        timings.add(turn.step_ms, turn.inference_ms)
    return timings


def take_round(number: int, own: Callable[[], Turn], reference: Callable[[], Turn | None] | None) -> Round:
    """Time one round. The reference goes first in every other round, so that going first helps neither."""
    if reference is None:
        return Round(own())
    if number % 2 == 0:
        other = reference()
        return Round(own(), other)
    mine = own()
    return Round(mine, reference())


def least_disturbed(rounds: Sequence[Round], count: int) -> list[Round]:
    """All calm rounds, and as many of the least contended as make up `count`, in the order of time."""
    by_disturbance = sorted(
        range(len(rounds)), key=lambda number: (rounds[number].is_contended, rounds[number].use.others_share)
    )
    calm = sum(not one.is_contended for one in rounds)
    return [rounds[number] for number in sorted(by_disturbance[: max(calm, count)])]
