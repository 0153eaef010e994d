"""Peaks of tests as they were, in a file, so that a test can tell that its memory grew. Imports no torch."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
    """The peaks of a file by name of the test. Raises `ValueError` if it is missing or something else."""
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"cannot read the memory baseline {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a memory baseline: not JSON ({error})") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ValueError(f'{path} is not a memory baseline: it has no "kind": "{KIND}"')
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path} is a memory baseline of schema {content.get('schema')}, not {SCHEMA}: record it anew")
    try:
        return {name: _peak(fields) for name, fields in content["tests"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a whole memory baseline: {error}") from error


def write_baseline(path: Path, peaks: Mapping[str, Peak]) -> None:
    """Write a file, whole or not at all. Raises `ValueError` if it cannot be written."""
    content = {"kind": KIND, "schema": SCHEMA, "tests": {name: asdict(peaks[name]) for name in sorted(peaks)}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(content, indent=1) + "\n")
        Path(name).chmod(0o644)  # temporary files are their owner's alone
        Path(name).replace(path)
    except OSError as error:
        raise ValueError(f"cannot write the memory baseline {path}: {error.strerror}") from error


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
    for key in FIGURES.values():
        if not isinstance(getattr(peak, key), int):
            raise TypeError(f"{key} must be a number of bytes, not {getattr(peak, key)!r}")
    return peak
