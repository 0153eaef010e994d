"""Two sets of results, case by case: what got worse by more than it may."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.cases.case import Case
from bench.cases.methods import METHODS
from bench.results.compare_metrics import METRICS, Kind, Metric, Tolerance, environment_differences
from bench.results.result import Result
from drystep.bounds import is_finite
from drystep.errors import choose
from drystep.units import beyond, growth_percent

Outcome = Literal["worse", "missing", "better", "changed", "new", "not gated", "same"]
"""`same`: within the tolerance. `changed`: a figure that is neither better nor worse. `missing`, `new`: cases of one
file alone. `not gated`: times that moved by more than the tolerance, of devices that differ.

A figure or verdict that only the first file has is `worse`, because it cannot be compared; one that only the
second has is `new`. A figure that is not finite is `worse` on either side."""
STATUSES = ("ok", "oom", "error")
VERDICTS = ("fits", "fits_with_retries", "oom")


@dataclass(frozen=True)
class Change:
    """One figure of one case, before and after."""

    case: Case
    metric: str
    """Name of a metric; "status", "case", or "verdict" and a GPU class. Relative times name what they relate to."""
    before: float | str | None
    """Bytes, milliseconds, a count, a ratio, a status or a verdict; None where this side has none."""
    after: float | str | None
    outcome: Outcome
    kind: Kind | Literal["ratio", "words"] = "words"
    percent: float | None = None
    """Growth; None for words, and where a side has no finite figure."""
    tolerance_percent: float | None = None
    """Growth that was allowed; None where nothing was."""

    @property
    def worse(self) -> bool:
        """Whether a gate should close."""
        return self.outcome == "worse"


@dataclass(frozen=True)
class Comparison:
    """Two files side by side."""

    changes: list[Change]
    environment: dict[str, tuple[str, str]]
    """What the common cases were measured with, where it differs."""

    @property
    def worse(self) -> bool:
        """Whether anything got worse."""
        return any(change.worse for change in self.changes)

    @property
    def notes(self) -> list[str]:
        """What to know before reading the figures."""
        notes = [f"{name} differs: {old} before, {new} after" for name, (old, new) in self.environment.items()]
        if "device" in self.environment and any(change.outcome == "not gated" for change in self.changes):
            notes.append("times of different devices are not gated; a ratio is, with --time-relative-to full")
        return notes


def compare(
    before: Sequence[Result],
    after: Sequence[Result],
    tolerance: Tolerance | None = None,
    time_relative_to: str | None = None,
    require_all: bool = False,
) -> Comparison:
    """All figures of the cases that both sides have, and the cases that only one has.

    A figure or a GPU class's verdict that `before` has and `after` lacks is worse, as is one that is not finite.
    `time_relative_to` names a method: times are compared as ratios to the same case with that method in the same file
    (an engine that timed both in turns has taken the ratio itself), which a slower machine does not change.
    `require_all` makes a case that `after` lacks worse. Raises `ValueError` when the sides share no case, or no time
    can be related.
    """
    tolerance = tolerance or Tolerance()
    earlier, later = ({result.case: result for result in side} for side in (before, after))
    common = [(old, later[case]) for case, old in earlier.items() if case in later]
    if not common:
        raise ValueError("the two files have no case in common")
    times: Times = _time
    if time_relative_to is not None:
        choose("method", time_relative_to, METHODS)
        times = _relative_times(earlier, later, time_relative_to)
        ratios = (times(metric, *pair) for pair in common for metric in METRICS)
        if not any(ratio.kind == "ratio" and None not in (ratio.before, ratio.after) for ratio in ratios):
            raise ValueError(f"no case has times in both files, of itself and of {time_relative_to}, to relate them to")
    changes = [change for pair in common for change in _changes(*pair, tolerance, times)]
    lost: Outcome = "worse" if require_all else "missing"
    changes += [Change(case, "case", "there", "missing", lost) for case in earlier if case not in later]
    changes += [Change(case, "case", "missing", "there", "new") for case in later if case not in earlier]
    return Comparison(changes, environment_differences(*map(list, zip(*common, strict=True))))


@dataclass(frozen=True)
class _Pair:
    """A metric of both sides."""

    name: str
    kind: Kind | Literal["ratio"]
    before: float | None
    after: float | None
    gated: bool = True


Times = Callable[[Metric, Result, Result], _Pair]


def _changes(before: Result, after: Result, tolerance: Tolerance, times: Times) -> Iterator[Change]:
    if (before.status, after.status) != ("ok", "ok"):
        yield _words(after.case, "status", before.status, after.status, STATUSES)
    for gpu in dict.fromkeys((*before.fits, *after.fits)):
        old, new = (side.fits.get(gpu, {}).get("verdict") for side in (before, after))
        if old is not None or new is not None:
            yield _words(after.case, f"verdict {gpu}", old, new, VERDICTS)
    if before.status != "ok" or after.status != "ok":
        return  # the figures of a step that broke off are those up to there
    for metric in METRICS:
        pair = times(metric, before, after) if metric.kind == "time" else _plain(metric, before, after)
        if pair.before is not None or pair.after is not None:
            yield _figure(after.case, pair, tolerance.of(metric))


def _words(case: Case, metric: str, before: str | None, after: str | None, from_best: Sequence[str]) -> Change:
    if before is None or after is None:
        return Change(case, metric, before, after, "worse" if after is None else "new")
    old, new = (from_best.index(word) if word in from_best else len(from_best) for word in (before, after))
    return Change(case, metric, before, after, "worse" if new > old else "better" if new < old else "same")


def _figure(case: Case, pair: _Pair, allowed: float | None) -> Change:
    if not all(is_finite(side) for side in (pair.before, pair.after) if side is not None):
        return Change(case, pair.name, pair.before, pair.after, "worse", pair.kind, None, allowed)
    if pair.before is None or pair.after is None:
        lost: Outcome = "worse" if pair.after is None else "new"
        return Change(case, pair.name, pair.before, pair.after, lost, pair.kind, None, allowed)
    before, after = float(pair.before), float(pair.after)
    percent = growth_percent(before, after)
    outcome: Outcome = "same"
    if allowed is None:
        outcome = "same" if before == after else "changed"
    elif beyond(percent, allowed):
        outcome = "worse" if pair.gated else "not gated"
    elif beyond(-percent, allowed):
        outcome = "better" if pair.gated else "not gated"
    return Change(case, pair.name, before, after, outcome, pair.kind, percent, allowed)


def _plain(metric: Metric, before: Result, after: Result) -> _Pair:
    return _Pair(metric.name, metric.kind, metric.of(before), metric.of(after))


def _time(metric: Metric, before: Result, after: Result) -> _Pair:
    same_device = before.environment.get("device") == after.environment.get("device")
    return replace(_plain(metric, before, after), gated=same_device)


def _relative_times(earlier: Mapping[Case, Result], later: Mapping[Case, Result], method: str) -> Times:
    """Ratios to a method's times; the method itself, and cases without it, keep their own times, not gated.

    A ratio that only one side can take stays a ratio, which the other side lacks.
    """

    def of_medians(metric: Metric, result: Result, side: Mapping[Case, Result]) -> float | None:
        reference = side.get(replace(result.case, method=method))
        value, of_reference = metric.of(result), metric.of(reference) if reference else None
        return value / of_reference if value is not None and of_reference else None

    def times(metric: Metric, before: Result, after: Result) -> _Pair:
        own = _plain(metric, before, after)
        if before.case.method == method:
            return replace(own, gated=False)
        in_turns = _in_turns(metric, before, method), _in_turns(metric, after, method)
        medians = of_medians(metric, before, earlier), of_medians(metric, after, later)
        sides = [[ratio for ratio in side if ratio is not None] for side in zip(in_turns, medians, strict=True)]
        same_way = next((pair for pair in (in_turns, medians) if None not in pair), None)
        if same_way is None and all(sides) == any(sides):
            return replace(own, gated=False)  # neither side can be related, or each in another way
        old, new = same_way or (side[0] if side else None for side in sides)
        return _Pair(f"{metric.name} / {method}", "ratio", old, new)

    return times


def _in_turns(metric: Metric, result: Result, method: str) -> float | None:
    """The ratio of whole steps that an engine found by timing both in turns."""
    related: Mapping[str, Any] = (result.time or {}).get("relative_to") or {}
    if metric.name != "step" or related.get("method") != method:
        return None
    median: float | None = (related.get("ratio") or {}).get("median")
    return median
