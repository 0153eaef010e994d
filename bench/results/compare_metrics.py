"""The figures of a result that `compare` puts side by side, and by how much each may grow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.results.result import Result
from drystep.errors import choose

Kind = Literal["memory", "time", "count"]


@dataclass(frozen=True)
class Metric:
    """One figure of a result line; less is better."""

    name: str
    kind: Kind
    """Bytes, milliseconds, or a count, which is no better or worse unless a tolerance is asked for."""
    path: tuple[str, ...]
    """Where it stands in a result."""

    def of(self, result: Result) -> float | None:
        """The figure, or None where the result has none."""
        value: Any = getattr(result, self.path[0])
        for name in self.path[1:]:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


METRICS = (
    Metric("trained", "count", ("params", "trainable_backbone")),
    Metric("allocated", "memory", ("memory", "peak_allocated_bytes")),
    Metric("reserved", "memory", ("memory", "peak_reserved_bytes")),
    Metric("active", "memory", ("memory", "peak_active_bytes")),
    Metric("first_step", "memory", ("memory", "first_step", "peak_allocated_bytes")),
    Metric("nvml", "memory", ("memory", "nvml", "process_bytes")),
    Metric("step", "time", ("time", "step_ms", "median")),
    Metric("forward", "time", ("time", "forward_ms")),
    Metric("backward", "time", ("time", "backward_ms")),
    Metric("optimizer", "time", ("time", "optimizer_ms")),
    Metric("inference", "time", ("time", "inference_ms", "median")),
)


@dataclass(frozen=True)
class Tolerance:
    """By how many percent a figure may grow."""

    memory_percent: float = 1.0
    time_percent: float = 25.0
    by_metric: Mapping[str, float] = field(default_factory=dict)
    """For single metrics, by name. Raises `ValueError` for an unknown one."""

    def __post_init__(self) -> None:
        for name in self.by_metric:
            choose("metric", name, [metric.name for metric in METRICS])

    def of(self, metric: Metric) -> float | None:
        """What a metric may grow by; None for one that is only shown."""
        of_kind = {"memory": self.memory_percent, "time": self.time_percent, "count": None}
        return self.by_metric.get(metric.name, of_kind[metric.kind])


CODE = ("code_hash", "git_commit", "git_dirty")
"""What two versions of this suite differ in anyhow."""


def environment_differences(before: Sequence[Result], after: Sequence[Result]) -> dict[str, tuple[str, str]]:
    """What the results were measured with, where it differs: field -> before and after."""
    sides = [[dict(_flat(result.environment)) for result in side] for side in (before, after)]
    names = dict.fromkeys(name for side in sides for environment in side for name in environment)
    values = {name: (_values(sides[0], name), _values(sides[1], name)) for name in names if name not in CODE}
    return {name: (old, new) for name, (old, new) in values.items() if old != new}


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Fields within fields by their dotted names."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, "unknown" if value is None else str(value)


def _values(environments: Sequence[Mapping[str, str]], name: str) -> str:
    return " and ".join(sorted({environment.get(name, "unknown") for environment in environments}))
