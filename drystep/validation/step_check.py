"""Comparison of a measured step time with its prediction, and summaries of many such comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from drystep.cuda.meta_cache import META
from drystep.simulator import trace_steps
from drystep.time.predict import predict, roofline
from drystep.trace.module_paths import OUTSIDE
from drystep.trace.trace import Trace
from drystep.validation.step_labels import TimedStep, read_cards
from drystep.validation.timed_models import build_timed

RUN_PROFILE, RUN_PRECISION = "torch-2.11", "fp32"
ALL = "all cards"


@dataclass(frozen=True)
class StepCheck:
    """Predicted and measured time of one step."""

    id: str
    card: str
    flag: str
    predicted_ms: float
    predicted_forward_ms: float
    predicted_backward_ms: float
    roofline_ms: float
    """Prediction from the card's peaks alone."""
    measured_ms: float

    @property
    def error_percent(self) -> float:
        """Signed error of the prediction."""
        return 100 * (self.predicted_ms / self.measured_ms - 1)

    @property
    def roofline_error_percent(self) -> float:
        """Signed error of the prediction from the card's peaks alone."""
        return 100 * (self.roofline_ms / self.measured_ms - 1)


@dataclass(frozen=True)
class StepSummary:
    """Mean absolute errors on one card, or on all cards."""

    card: str
    steps: int
    error_percent: float
    roofline_error_percent: float


def check_steps(steps: Sequence[TimedStep]) -> Iterator[StepCheck]:
    """Predict every measured step. Steps with the same model and batch share a trace."""
    traces: dict[TimedStep, Trace] = {}
    for step in steps:
        model = replace(step, card="", step_ms=0, forward_ms=0, backward_ms=0, flag="", gemm_gflop=None)
        if model not in traces:
            traces[model] = trace_timed(step)
        yield _check(step, traces[model])


def trace_timed(step: TimedStep) -> Trace:
    """Record what was timed. The loss is computed outside of the model and was not timed, but its backward pass was."""
    build_step = build_timed(step.model, step.trains, step.batch_size, step.length)
    trace = trace_steps(build_step, META, RUN_PROFILE, RUN_PRECISION)
    trace.work = [(index, work) for index, work in trace.work if not _is_loss(trace, index)]
    return trace


def _is_loss(trace: Trace, index: int) -> bool:
    operator = trace.operators[index]
    return operator.phase == "forward" and operator.module == OUTSIDE


def _check(step: TimedStep, trace: Trace) -> StepCheck:
    peaks = read_cards()[step.card]
    predicted = predict(trace, peaks, step.card)
    return StepCheck(
        id=f"{step.model} {'train' if step.trains else 'inference'} {step.batch_size}x{step.length}",
        card=step.card,
        flag=step.flag,
        predicted_ms=predicted.step_ms,
        predicted_forward_ms=predicted.forward_ms,
        predicted_backward_ms=predicted.backward_ms,
        roofline_ms=roofline(trace, peaks, step.card).step_ms,
        measured_ms=step.step_ms,
    )


def summarise_steps(checks: Sequence[StepCheck]) -> list[StepSummary]:
    """Return one summary per card, in the order in which the cards first occur, and one of all cards."""
    cards = dict.fromkeys(check.card for check in checks)
    groups = {card: [check for check in checks if check.card == card] for card in cards}
    return [_summary(card, group) for card, group in {**groups, ALL: list(checks)}.items() if group]


def _summary(card: str, checks: Sequence[StepCheck]) -> StepSummary:
    errors = fmean(abs(check.error_percent) for check in checks)
    return StepSummary(card, len(checks), errors, fmean(abs(check.roofline_error_percent) for check in checks))
