"""Prediction of the time of a training step on a card, from the same trace that gives its memory.

The time of a kernel is that of its operations or of its bytes at the card's peak, whichever is longer, divided by the
fraction of that peak which kernels of its class and size were measured to achieve. Kernels run one after the other, and
none starts before the host has launched it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from drystep.gpus.peaks import Peaks
from drystep.operators import Kind, Work
from drystep.time.efficiency import Achieved
from drystep.time.gradient_exchange import Exchange
from drystep.time.measured_operators import achieved_on
from drystep.time.parameter_gradients import Exchanges
from drystep.trace.trace import Phase, Trace

PEAKS = {torch.float32: "fp32_tflops", torch.float16: "fp16_tflops", torch.bfloat16: "bf16_tflops"}


@dataclass(frozen=True)
class StepTime:
    """Predicted time of a step, as the mean over the steps that count."""

    forward_ms: float
    backward_ms: float
    optimizer_ms: float
    scaled: bool
    """Whether the achieved fractions were measured on another card, or in another precision."""
    by_kind_ms: Mapping[Kind, float]
    """Time of the kernels of each class. Together with `launch_bound_ms` and the exposed exchange these add up to the
    step."""
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


def predict(trace: Trace, peaks: Peaks, card: str = "the card", ranks: int = 1) -> StepTime:
    """Predict the time of the steps of a trace that count, on each of `ranks` cards that exchange gradients.

    Raises `ValueError` for a peak that the card lacks, its link if there are several ranks, and for a trace without
    operators.
    """
    return _time(trace, peaks, card, achieved_on(peaks, card), ranks)


def roofline(trace: Trace, peaks: Peaks, card: str = "the card") -> StepTime:
    """Predict the time as if every kernel achieved the peak: a lower bound, for comparison."""
    return _time(trace, peaks, card, None)


def _time(trace: Trace, peaks: Peaks, card: str, achieved: Achieved | None, ranks: int = 1) -> StepTime:
    if not trace.work:
        raise ValueError("the trace has no operators that run on the device: there is no step to time")
    phases: dict[Phase, float] = defaultdict(float)
    kinds: dict[Kind, float] = defaultdict(float)
    launch_us = 0.0 if achieved is None else achieved.launch_us
    host_us = device_us = 0.0
    exchanges = Exchanges(trace, ranks, peaks, card)
    other_precision = False
    for operator, work in trace.work:
        other_precision |= work.flops > 0 and work.dtype != torch.float32
        ideal_us = _ideal_us(work, peaks, card) / work.kernels
        fraction = 1.0 if achieved is None else achieved.fraction(work, ideal_us)
        kernels_us = work.kernels * ideal_us / fraction
        host_us += launch_us
        ended_us = exchanges.after(operator, max(host_us, device_us) + kernels_us)
        phases[trace.operators[operator].phase] += ended_us - device_us
        kinds[work.kind] += kernels_us
        device_us = ended_us
    per_ms = 1e3 * trace.steady_steps
    return StepTime(
        forward_ms=phases["forward"] / per_ms,
        backward_ms=phases["backward"] / per_ms,
        optimizer_ms=phases["optimizer"] / per_ms,
        scaled=peaks.scaled or other_precision,
        by_kind_ms={kind: us / per_ms for kind, us in kinds.items()},
        exchange=exchanges.mean(),
    )


def _ideal_us(work: Work, peaks: Peaks, card: str) -> float:
    """Time of an operator at the peak of its arithmetic units or of the memory, whichever is longer."""
    memory_us = work.moved_bytes / (1e3 * peaks.need("bandwidth_gbs", card))
    if not work.flops:
        return memory_us
    return max(memory_us, work.flops / (1e6 * _peak_tflops(work, peaks, card)))


def _peak_tflops(work: Work, peaks: Peaks, card: str) -> float:
    if work.convolution and work.dtype == torch.float32 and peaks.tf32_tflops is not None:
        return peaks.tf32_tflops  # `torch.backends.cudnn.allow_tf32` is true by default
    return peaks.need(PEAKS.get(work.dtype, "fp32_tflops"), card)
