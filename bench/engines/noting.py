"""Steps that say which phase they are in, so that a failure has one."""

from collections.abc import Callable

from bench.training_step import StepPhase, TrainingStep

FOLLOWING: dict[StepPhase, str] = {"forward": "backward", "backward": "optimizer", "optimizer": "between steps"}
"""What begins when a phase ends."""


def run_noting(step: TrainingStep, note_phase: Callable[[str], None]) -> None:
    """Run one step; `note_phase` hears of the beginning of each phase."""
    note_phase("forward")
    step(lambda ended: note_phase(FOLLOWING[ended]))
