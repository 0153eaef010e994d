"""What a run of tests has measured, beside what it was. Imports no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drystep.pytest_plugin.baseline import (
    Peak,
    describe_growth,
    installed_torch,
    read_baseline,
    require_writable,
    update_baseline,
)
from drystep.units import ABSENT, MIB
from drystep.visible_text import one_line

COLUMNS = ("test", "allocated MiB", "reserved MiB", "limit", "verdict", "since baseline", "how")


@dataclass(frozen=True)
class MeasuredTest:
    """One measured step of a test, as it travels in the test's report."""

    name: str
    peak: Peak
    limit: str
    """As it was written; "" without one."""
    verdict: str
    """Under the limit, or on the GPU; "" without either."""
    broke_off: bool
    """Whether a GPU ran out of memory: the peak is that up to there."""
    warnings: tuple[str, ...] = ()

    def as_fields(self) -> dict[str, Any]:
        """Only what JSON has."""
        return {**asdict(self), "warnings": list(self.warnings)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "MeasuredTest":
        """The same again."""
        return cls(**{**fields, "peak": Peak(**fields["peak"]), "warnings": tuple(fields["warnings"])})


@dataclass
class Gate:
    """Compares with a baseline file, or records one. Raises `ValueError` for a file that is missing or foreign."""

    file: Path | None = None
    tolerance_percent: float | None = None
    """Growth that is accepted; None: whatever it is."""
    update: bool = False
    engine: str = "auto"
    baseline: dict[str, Peak] = field(default_factory=dict)
    measured: dict[str, MeasuredTest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is None:
            if self.tolerance_percent is not None or self.update:
                raise ValueError("--fail-on-increase and --memory-baseline-update need --memory-baseline FILE")
        elif self.file.exists() and self.file.stat().st_size:
            self.baseline = read_baseline(self.file)
        elif not self.update:
            raise ValueError(f"no memory baseline {self.file}: record one with --memory-baseline-update")
        if self.file is not None and self.update:
            require_writable(self.file)  # before the tests run

    def check(self, test: MeasuredTest) -> list[str]:
        """Lines that say how a test's memory grew beyond what is accepted; none where nothing did."""
        before = self._before(test)
        if before is None or self.tolerance_percent is None:
            return []
        lines = describe_growth(before, test.peak, self.tolerance_percent)
        return lines and [*lines, "  if that is meant, record it with --memory-baseline-update"]

    def write(self) -> None:
        """Record what was measured; tests that did not run keep what they had."""
        if self.file is not None and self.update:
            measured = {name: test.peak for name, test in self.measured.items() if not test.broke_off}
            update_baseline(self.file, measured)

    def table(self) -> Iterator[str]:
        """Lines: one per measured step."""
        rows = [COLUMNS, *(tuple(map(one_line, self._cells(test))) for test in self.measured.values())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for first, *others in rows:
            cells = [
                first.ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)),
            ]
            yield "  ".join(cells)

    def notes(self) -> Iterator[str]:
        """Lines: what to know about the figures and the baseline."""
        return map(one_line, self._notes())

    def _notes(self) -> Iterator[str]:
        for test in self.measured.values():
            yield from (f"{test.name}: {warning}" for warning in test.warnings)
        if self.file is None:
            return
        if self.update:
            broken = [test.name for test in self.measured.values() if test.broke_off]
            yield f"{len(self.measured) - len(broken)} peaks recorded in {self.file}"
            yield from (f"{name} ran out of memory and is not recorded" for name in broken)
            return
        yield from self._unlike()
        unknown = [name for name in self.measured if name not in self.baseline]
        if unknown:
            yield f"not in {self.file}: {', '.join(unknown)}"
        missing = self.baseline.keys() - self.measured.keys()
        if missing:
            yield f"{len(missing)} of the {len(self.baseline)} tests in {self.file} did not run"

    def _unlike(self) -> Iterator[str]:
        known = [(test, self.baseline[name]) for name, test in self.measured.items() if name in self.baseline]
        for torch in sorted({before.torch for _, before in known} - {installed_torch()}):
            yield f"{self.file} was recorded with torch {torch}, this is {installed_torch()}: its rules may differ"
        for test, before in known:
            if not test.peak.comparable(before):
                was, now = (f"{peak.how} {peak.device}".strip() for peak in (before, test.peak))
                yield f"{test.name} was {was} and is now {now}: not compared"

    def _before(self, test: MeasuredTest) -> Peak | None:
        """What a step is to be compared with."""
        before = self.baseline.get(test.name)
        comparable = before is not None and test.peak.comparable(before) and not test.broke_off
        return before if comparable and not self.update else None

    def _cells(self, test: MeasuredTest) -> tuple[str, ...]:
        sizes = (f"{size / MIB:,.1f}" for size in (test.peak.peak_allocated_bytes, test.peak.peak_reserved_bytes))
        before = self._before(test)
        grown = ABSENT if before is None else f"{max(test.peak.growth(before).values()):+.2f} %"
        verdict = test.verdict.replace("_", " ") or ABSENT
        return (test.name, *sizes, test.limit or ABSENT, verdict, grown, f"{test.peak.how} {test.peak.device}".strip())
