"""Checks of published figures per family of steps, and other estimators on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from drystep.validation.field_reports.check import ReportCheck

ALL = "all rows"
RIVALS = {"accelerate estimate-memory": "accelerate_bytes", "PyTorch's MemTracker": "memtracker_bytes"}
"""Estimator -> its figure in a check."""


@dataclass(frozen=True)
class ReportSummary:
    """Checks of one family, or of all."""

    family: str
    rows: int
    compared: int
    """Rows with an error: those with a figure whose algorithms cuDNN did not choose by trial."""
    median_percent: float | None
    """Median of the absolute errors; the next is of the absolute errors as well."""
    max_percent: float | None
    within_rounding: int
    """Compared rows whose prediction, rounded as the figure was published, is that figure."""
    intervals_right: int
    """Rows whose figure lies in the interval, of those whose algorithms cuDNN chose by trial."""
    intervals: int
    verdicts_right: int
    verdicts_undecided: int
    """Verdicts that the choice among algorithms decides."""
    verdicts: int


@dataclass(frozen=True)
class RivalSummary:
    """Another estimator on the rows to which it applies, and drystep on the same rows."""

    rival: str
    compared: int
    median_percent: float | None
    """Median of its absolute errors; the next is drystep's on the same rows."""
    our_median_percent: float | None
    verdicts_right: int
    our_verdicts_right: int
    verdicts: int


def summarise_reports(checks: Sequence[ReportCheck]) -> list[ReportSummary]:
    """A summary per family, in the order in which they first occur, and of all rows if there are several families."""
    families = dict.fromkeys(check.family for check in checks)
    summaries = [_summary(family, [check for check in checks if check.family == family]) for family in families]
    return [*summaries, _summary(ALL, checks)] if len(families) > 1 else summaries


def summarise_rivals(checks: Sequence[ReportCheck]) -> list[RivalSummary]:
    """A summary of each estimator that said something."""
    summaries = [_rival_summary(rival, figure, checks) for rival, figure in RIVALS.items()]
    return [summary for summary in summaries if summary.compared or summary.verdicts]


def _summary(family: str, checks: Sequence[ReportCheck]) -> ReportSummary:
    compared = _compared(checks)
    errors = [abs(check.error_percent or 0) for check in compared]
    intervals = [check.within_interval for check in checks if check.by_trial and check.within_interval is not None]
    judged = [check.judged for check in checks if check.judged is not None]
    return ReportSummary(
        family=family,
        rows=len(checks),
        compared=len(errors),
        median_percent=median(errors) if errors else None,
        max_percent=max(errors) if errors else None,
        within_rounding=sum(check.within_rounding is True for check in compared),
        intervals_right=sum(intervals),
        intervals=len(intervals),
        verdicts_right=judged.count("right"),
        verdicts_undecided=judged.count("undecided"),
        verdicts=len(judged),
    )


def _rival_summary(rival: str, figure: str, checks: Sequence[ReportCheck]) -> RivalSummary:
    both = [(check.error_percent or 0, check.error_of(getattr(check, figure))) for check in _compared(checks)]
    errors = [(abs(ours), abs(theirs)) for ours, theirs in both if theirs is not None]
    judged = [(check, verdict) for check in checks if (verdict := check.verdict_of(getattr(check, figure)))]
    return RivalSummary(
        rival=rival,
        compared=len(errors),
        median_percent=median(theirs for _, theirs in errors) if errors else None,
        our_median_percent=median(ours for ours, _ in errors) if errors else None,
        verdicts_right=sum(verdict == check.measured_verdict for check, verdict in judged),
        our_verdicts_right=sum(check.judged == "right" for check, _ in judged),
        verdicts=len(judged),
    )


def _compared(checks: Sequence[ReportCheck]) -> list[ReportCheck]:
    """The checks with an error."""
    return [check for check in checks if check.error_percent is not None and not check.by_trial]
