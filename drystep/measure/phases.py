"""Phases of a training step that is really run: who runs one hears of their ends, so that a failure has a phase."""

from collections.abc import Callable, Mapping
from typing import Literal

StepPhase = Literal["forward", "backward", "optimizer"]
PhasedStep = Callable[[Callable[[StepPhase], None]], object]
"""Runs one training step and tells the end of each phase."""
PhaseTimes = Mapping[StepPhase, float]
"""Milliseconds of each phase of one step."""

FOLLOWING: dict[StepPhase, str] = {"forward": "backward", "backward": "optimizer", "optimizer": "between steps"}
"""What begins when a phase ends."""


def run_noting(step: PhasedStep, note_phase: Callable[[str], None]) -> None:
    """Run one step; `note_phase` hears of the beginning of each phase."""
    note_phase("forward")
    step(lambda ended: note_phase(FOLLOWING[ended]))
