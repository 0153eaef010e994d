"""Peaks of tests as they were, in a file, so that a test can tell that its memory grew. Imports no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from drystep.files.rewrite import rewrite
from drystep.files.whole import require_folder
from drystep.units import MIB, VISIBLE_BYTES, beyond, growth_percent

KIND = "drystep memory baseline"
SCHEMA = 1
FIGURES = {"allocated": "peak_allocated_bytes", "reserved": "peak_reserved_bytes"}


@dataclass(frozen=True)
class Peak:
    """Peak memory of one measured step."""

    how: str
    """simulated or measured"""
    device: str
    """Name of the GPU; "" for a simulation."""
    torch: str
    """Version of PyTorch: its rules decide what is allocated."""
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    at_peak: Mapping[str, int]
    """Bytes at the peak by what they are for; empty where nobody knows."""

    def comparable(self, before: "Peak") -> bool:
        """Whether a growth means anything: simulated stays simulated, and a GPU the same."""
        return (self.how, self.device) == (before.how, before.device)

    def growth(self, before: "Peak") -> dict[str, float]:
        """Percent by which each figure grew."""
        return {name: growth_percent(getattr(before, key), getattr(self, key)) for name, key in FIGURES.items()}


def installed_torch() -> str:
    """Version of PyTorch, whatever it was built for."""
    return version("torch").partition("+")[0]


def read_baseline(path: Path) -> dict[str, Peak]:
    """The peaks of a file by name of the test; none of an empty file. Raises `ValueError` for anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the memory baseline {path}: {error.strerror}") from error
    return _peaks(path, content)


def require_writable(path: Path) -> None:
    """Raise `ValueError` if no baseline could be written to a folder's file."""
    try:
        require_folder(path.parent)
    except OSError as error:
        raise ValueError(f"cannot write the memory baseline {path}: {error.strerror or error}") from error


def update_baseline(path: Path, peaks: Mapping[str, Peak]) -> None:
    """Add peaks to a file, which keeps those of other tests, whoever recorded them meanwhile.

    Raises `ValueError` if it is something else than a baseline, or cannot be written; it then is as it was.
    """
    try:
        rewrite(path, lambda content: _text({**_peaks(path, content), **peaks}))
    except OSError as error:
        raise ValueError(f"cannot write the memory baseline {path}: {error.strerror or error}") from error


def _text(peaks: Mapping[str, Peak]) -> str:
    tests = {name: asdict(peaks[name]) for name in sorted(peaks)}
    return json.dumps({"kind": KIND, "schema": SCHEMA, "tests": tests}, indent=1) + "\n"


def _peaks(path: Path, text: bytes) -> dict[str, Peak]:
    """What a file holds, which is named in errors."""
    if not text.strip():
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a memory baseline: not JSON ({error})") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ValueError(f'{path} is not a memory baseline: it has no "kind": "{KIND}"')
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path} is a memory baseline of schema {content.get('schema')}, not {SCHEMA}: record it anew")
    try:
        return {name: _peak(fields) for name, fields in content["tests"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a whole memory baseline: {error}") from error


def describe_growth(before: Peak, after: Peak, tolerance_percent: float) -> list[str]:
    """Lines that say what grew by more than it may, and where; none if nothing did."""
    if not any(beyond(percent, tolerance_percent) for percent in after.growth(before).values()):
        return []
    lines = [f"GPU memory grew by more than {tolerance_percent:g} % ({after.how})"]
    for name, percent in after.growth(before).items():
        lines.append(
            f"  {name}: {_change(getattr(before, FIGURES[name]), getattr(after, FIGURES[name]))}{_of(percent)}"
        )
    kinds = dict.fromkeys([*after.at_peak, *before.at_peak])
    moved = {kind: (before.at_peak.get(kind, 0), after.at_peak.get(kind, 0)) for kind in kinds}
    for kind, (old, new) in sorted(moved.items(), key=lambda item: item[1][0] - item[1][1]):
        if abs(new - old) >= VISIBLE_BYTES:
            lines.append(f"  at the peak, {kind.replace('_', ' ')}: {_change(old, new)}")
    return lines


def _change(old: int, new: int) -> str:
    return f"{old / MIB:,.1f} -> {new / MIB:,.1f} MiB ({(new - old) / MIB:+,.1f})"


def _of(percent: float) -> str:
    return f", {percent:+.2f} %" if percent != float("inf") else ""


def _peak(fields: Mapping[str, Any]) -> Peak:
    peak = Peak(**fields)
    for key in ("how", "device", "torch"):
        if not isinstance(getattr(peak, key), str):
            raise TypeError(f"{key} must be text, not {getattr(peak, key)!r}")
    if not isinstance(peak.at_peak, dict):
        raise TypeError(f"at_peak must be an object, not {peak.at_peak!r}")
    sizes = {**{key: getattr(peak, key) for key in FIGURES.values()}, **peak.at_peak}
    for key, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{key} must be a number of bytes, not {size!r}")
    return peak
