"""Turns whose times are written down, and a clock that they move."""

from dataclasses import dataclass, field

from bench.engines.timing.contention import ProcessorUse
from bench.engines.timing.turns import Round, Turn


def turn(step_ms: float, others_ms: float = 0.0, inference_ms: float = 1.0) -> Turn:
    """Half of the step is forward. Two processors, of which the others take the given time."""
    phases = {"forward": step_ms / 2, "backward": step_ms / 4, "optimizer": step_ms / 4}
    return Turn(phases, inference_ms, ProcessorUse(step_ms, step_ms, others_ms, 2))


def round_of(own_ms: float, reference_ms: float = 100.0, others_ms: float = 0.0) -> Round:
    """Others disturb the case's own turn."""
    return Round(turn(own_ms, others_ms), turn(reference_ms))


@dataclass
class Script:
    """Rounds in order, of which each takes so many seconds; the last one repeats."""

    rounds: list[Round]
    seconds: float = 0.1
    now: float = 0.0
    taken: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    calm_after_s: float = 0.0
    """What a wait takes, if it may."""

    def take(self, number: int) -> Round:
        self.now += self.seconds
        self.taken.append(number)
        return self.rounds[min(number, len(self.rounds) - 1)]

    def wait(self, longest_s: float) -> None:
        self.waits.append(longest_s)
        self.now += min(longest_s, self.calm_after_s)

    def clock(self) -> float:
        return self.now
