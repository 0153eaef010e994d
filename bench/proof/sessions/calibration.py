"""The card's peaks, measured in a process of its own, so that nothing of it stays on the card."""

from collections.abc import Callable
from typing import Any

from bench.engines.cuda_session import CUDA
from drystep.time.calibrate import measured_block


class CalibrationSession:
    """Measures products and copies."""

    def __init__(self, note_phase: Callable[[str], None]) -> None:
        note_phase("calibration")

    def block(self) -> str:
        """What a file of GPU classes holds of the card."""
        return measured_block(CUDA)

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before all is measured."""
        return {}
