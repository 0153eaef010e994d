"""What kernels take on a card: by its calibration, by operators measured one by one, or at its peaks.

Products, convolutions and memory kernels in single precision take what operators measured one by one say where the card
itself was measured so. All else takes the factors of the card's calibration, or of the card of its generation that has
one, at the card's own peaks. What neither knows takes typical factors, and lowers the coverage.
"""

from collections import defaultdict
from typing import Literal

import torch

from drystep.gpus.peaks import Peaks
from drystep.operators import Work
from drystep.time.calibrated.calibration import Calibration, Mode, calibration_of
from drystep.time.calibrated.resources import ideal_us, peak_us
from drystep.time.calibrated.spread import NEVER_MEASURED
from drystep.time.calibrated.typical import typical_factor
from drystep.time.efficiency import Achieved
from drystep.time.measured_operators import achieved_on

Source = Literal["calibration", "operators", "typical"]
NOT_MEASURED_ALONE = (
    "batch_norm", "group_norm", "max_pooling", "average_pooling", "bias_gradient", "concatenation", "depthwise",
    "grouped_convolution",
)  # fmt: skip
"""Beginnings of the names of groups that the operators measured one by one know by others of their kind alone."""
OPERATORS_ERROR, OTHER_CARD_ERROR = 0.11, 0.2
"""Half width of the interval, as a logarithm, of steps predicted from operators measured one by one: four of five of
NeuSight's labels lie within (`drystep validate --only step-times`); and of what measurements of another card, or of the
other mode, say."""
CURVE = "operators of NeuSight measured one by one on {}"
LAUNCH_US = 5.0
"""Time from one launch to the next where no measured card says it: about that of the hosts in NeuSight's data."""


class Roofline:
    """Every kernel at the card's peak."""

    launch_us = 0.0
    coverage = spread = 0.0
    rests_on: tuple[str, ...] = ()

    def __init__(self, peaks: Peaks, card: str) -> None:
        self._peaks, self._card = peaks, card
        self.scaled = peaks.scaled

    def kernels_us(self, work: Work) -> float:
        """Time of the operations or of the bytes at the peak, whichever is longer."""
        return peak_us(work, self._peaks, self._card)


class Prices:
    """What kernels take on one card, and on what measurements that rests so far."""

    def __init__(
        self, peaks: Peaks, card: str, mode: Mode, calibration: Calibration | None, achieved: Achieved | None
    ) -> None:  # fmt: skip
        self._peaks, self._card, self._mode = peaks, card, mode
        self._calibration, self._achieved = calibration, achieved
        self._by_source: dict[Source, float] = defaultdict(float)
        self._by_group: dict[str, float] = defaultdict(float)
        self._known: dict[Work, tuple[float, Source]] = {}
        self._other_precision = False
        self.launch_us = peaks.launch_us or (LAUNCH_US if achieved is None else achieved.launch_us)

    def kernels_us(self, work: Work, times: int = 1) -> float:
        """Time of the kernels of one part of the work, or of so many alike."""
        if work not in self._known:
            self._known[work] = self._price(work)
        us, source = self._known[work]
        us *= times
        self._by_source[source] += us
        if source != "operators":
            self._by_group[work.factors_of] += us
        self._other_precision |= source == "operators" and work.flops > 0 and work.dtype != torch.float32
        return us

    @property
    def scaled(self) -> bool:
        """Whether another card, precision or mode was measured."""
        return self._peaks.scaled or self._other_precision or self._other_mode

    @property
    def _other_mode(self) -> bool:
        """Whether factors of training stand in for those of inference, or the reverse."""
        used = self._by_source["calibration"] > 0
        return used and self._calibration is not None and self._calibration.mode != self._mode

    @property
    def coverage(self) -> float:
        """Part of the time that rests on measurements of such operators."""
        total = sum(self._by_source.values())
        return 1 - self._by_source["typical"] / total if total else 0.0

    @property
    def spread(self) -> float:
        """Half width of the interval, as a logarithm."""
        total = sum(self._by_source.values())
        if not total:
            return 0.0
        squares = (self._by_source["operators"] / total) * OPERATORS_ERROR**2
        if self._calibration is not None:
            part = sum(self._by_group.values()) / total
            squares += part * self._calibration.spread.of(self._by_group) ** 2
        else:
            squares += (self._by_source["typical"] / total) * NEVER_MEASURED**2
        if self._peaks.scaled or self._other_mode:
            squares += OTHER_CARD_ERROR**2
        return float(squares**0.5)

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The measurements that at least a twentieth of the time rests on."""
        total, said = sum(self._by_source.values()), []
        if self._calibration is not None and self._by_source["calibration"] > total / 20:
            said.append(f"{self._calibration.errors.steps} steps measured on {self._calibration.card}")
        if self._by_source["operators"] > total / 20:
            said.append(CURVE.format(self._peaks.operators))
        return tuple(said)

    def _price(self, work: Work) -> tuple[float, Source]:
        calibrated = self._calibration is not None and self._calibration.knows(work)
        if self._achieved is not None and (self._prefers_operators(work) or not calibrated):
            ideal = peak_us(work, self._peaks, self._card) / work.kernels
            single = work.kernels * ideal / self._achieved.fraction(work, ideal)
            if self._prefers_operators(work) or not work.group.startswith(NOT_MEASURED_ALONE):
                return single, "operators"
        if self._calibration is None:
            return self._by_factors(work), "typical"
        return self._by_factors(work), "calibration" if calibrated else "typical"

    def _prefers_operators(self, work: Work) -> bool:
        alone = not work.group.startswith(NOT_MEASURED_ALONE)
        return self._achieved is not None and not self._peaks.scaled and alone and work.dtype == torch.float32

    def _by_factors(self, work: Work) -> float:
        calibration = self._calibration
        us = 0.0 if calibration is None else calibration.kernel_us * work.kernels
        for key, ideal in ideal_us(work, self._peaks, self._card).items():
            us += ideal * (typical_factor(key) if calibration is None else calibration.factor(key))
        return us


def prices_of(peaks: Peaks, card: str, mode: Mode) -> Prices:
    """The prices of a card for training or inference. Raises `ValueError` for a card of which nothing is known."""
    calibration = calibration_of(peaks.factors, mode) if peaks.factors else None
    achieved = achieved_on(peaks, card) if peaks.operators or calibration is None else None
    return Prices(peaks, card, mode, calibration, achieved)
