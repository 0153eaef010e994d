"""Prediction of the time of a training step on a card, from the same trace that gives its memory.

Kernels run one after the other, and none starts before the host has launched it. What a kernel takes comes from the
card's calibration, which is fitted to measured steps (`drystep/time/calibrated/`), or from operators that were measured
one by one (`drystep/time/efficiency.py`); see `drystep/time/prices.py` for which.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from drystep.gpus.peaks import Peaks
from drystep.operators import Kind
from drystep.time.calibrated.calibration import Mode
from drystep.time.gradient_exchange import Exchange
from drystep.time.parameter_gradients import Exchanges
from drystep.time.prices import Prices, Roofline, prices_of
from drystep.trace.trace import Phase, Trace


@dataclass(frozen=True)
class StepTime:
    """Predicted time of a step, as the mean over the steps that count."""

    forward_ms: float
    backward_ms: float
    optimizer_ms: float
    scaled: bool
    """Whether the factors were measured on another card, or in another precision or mode."""
    by_kind_ms: Mapping[Kind, float]
    """Time of the kernels of each class. Together with `launch_bound_ms` and the exposed exchange these add up to the
    step."""
    coverage: float = 0.0
    """Part of the kernels' time, from 0 to 1, whose factors rest on measurements of such operators."""
    spread: float = 0.0
    """Half width of the interval, as a logarithm; 0 where nothing is known of the errors."""
    rests_on: tuple[str, ...] = field(default=())
    """The measurements that most of the time rests on, in words."""
    exchange: Exchange | None = None
    """Exchange of gradients by DistributedDataParallel, None with one rank; `backward_ms` contains what is exposed."""

    @property
    def step_ms(self) -> float:
        """Time of the whole step."""
        return self.forward_ms + self.backward_ms + self.optimizer_ms

    @property
    def launch_bound_ms(self) -> float:
        """Time in which the card waits for the host."""
        exposed_ms = self.exchange.exposed_ms if self.exchange else 0.0
        return max(0.0, self.step_ms - exposed_ms - sum(self.by_kind_ms.values()))

    @property
    def interval_ms(self) -> tuple[float, float]:
        """Least and most of the step's time: four of five measured steps lay within such intervals.

        Each was predicted by factors that were fitted to other families of models.
        """
        factor = math.exp(self.spread)
        return self.step_ms / factor, self.step_ms * factor


def predict(trace: Trace, peaks: Peaks, card: str = "the card", ranks: int = 1) -> StepTime:
    """Predict the time of the steps of a trace that count, on each of `ranks` cards that exchange gradients.

    Raises `ValueError` for a peak that the card lacks, its link if there are several ranks, and for a trace without
    operators.
    """
    mode: Mode = "train" if any(operator.phase == "backward" for operator in trace.operators) else "inference"
    return _time(trace, prices_of(peaks, card, mode), Exchanges(trace, ranks, peaks, card))


def roofline(trace: Trace, peaks: Peaks, card: str = "the card") -> StepTime:
    """Predict the time as if every kernel achieved the peak: a lower bound, for comparison."""
    return _time(trace, Roofline(peaks, card), Exchanges(trace, 1, peaks, card))


def _time(trace: Trace, prices: Prices | Roofline, exchanges: Exchanges) -> StepTime:
    if not trace.work:
        raise ValueError("the trace has no operators that run on the device: there is no step to time")
    phases: dict[Phase, float] = defaultdict(float)
    kinds: dict[Kind, float] = defaultdict(float)
    host_us = device_us = 0.0
    for operator, parts in itertools.groupby(trace.work, key=itemgetter(0)):
        kernels_us = 0.0
        for _, work in parts:
            part_us = prices.kernels_us(work)
            kinds[work.kind] += part_us
            kernels_us += part_us
        host_us += prices.launch_us
        ended_us = exchanges.after(operator, max(host_us, device_us) + kernels_us)
        phases[trace.operators[operator].phase] += ended_us - device_us
        device_us = ended_us
    per_ms = 1e3 * trace.steady_steps
    return StepTime(
        forward_ms=phases["forward"] / per_ms,
        backward_ms=phases["backward"] / per_ms,
        optimizer_ms=phases["optimizer"] / per_ms,
        scaled=prices.scaled,
        by_kind_ms={kind: us / per_ms for kind, us in kinds.items()},
        coverage=prices.coverage,
        spread=prices.spread,
        rests_on=prices.rests_on,
        exchange=exchanges.mean(),
    )
