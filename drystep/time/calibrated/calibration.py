"""A card's calibration: its factors with where they come from, how well they predict, and the file that keeps them."""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from drystep.bounds import is_finite, shown
from drystep.errors import OutputError, choose
from drystep.gpus.classes import read_gpus
from drystep.operators import Work
from drystep.time.calibrated.resources import Key, Resource
from drystep.time.calibrated.spread import Spread
from drystep.time.calibrated.typical import typical_factor

Mode = Literal["train", "inference"]
FOLDER = Path(__file__).with_name("cards")
FORMAT = "drystep calibration 1"
"""First field of a file."""
DIGITS = 5
SUFFIX = ".json"


@dataclass(frozen=True)
class Errors:
    """Absolute errors in percent of steps, each predicted by factors fitted to the other families."""

    steps: int
    mean: float
    median: float
    percentile_90: float
    roofline_mean: float
    """Mean of the same steps at the card's peaks alone: the longer of all bytes and all operations of each kernel."""
    inside: float
    """Part of the steps, in percent, whose measured time lies within the predicted interval."""


@dataclass(frozen=True)
class PartErrors:
    """Errors of the steps of one layout and precision."""

    layout: str
    precision: str
    errors: Errors
    worst_families: Mapping[str, float]
    """Family -> mean of its signed errors in percent, of the families with the largest."""


@dataclass(frozen=True)
class Calibration:
    """Factors of one card for training or for inference."""

    card: str
    """Name of the card's class (`drystep gpus`), or of one like it."""
    mode: Mode
    factors: Mapping[Key, float]
    """By group of operators and resource. Groups that no measured step had are missing."""
    kernel_us: float
    """Time of a kernel on the card beside what its resources say."""
    spread: Spread
    errors: Errors
    source: str
    """Where the measured steps come from."""
    measured_with: str
    """Versions and settings of those measurements."""
    date: str
    """Day of the fit, as 2026-11-26."""
    families: int
    """Families of models among the steps."""
    parts: tuple[PartErrors, ...] = ()
    """Errors by layout and precision."""
    peaks: Mapping[str, float] = field(default_factory=dict)
    """Peaks of the card that the factors belong to."""

    def knows(self, work: Work) -> bool:
        """Whether steps with this group of operators were measured."""
        return (work.factors_of, "bytes") in self.factors

    def factor(self, key: Key) -> float:
        """The factor of a resource of a group; the typical one where the measured steps did not have it."""
        return self.factors.get(key) or typical_factor(key)


def calibration_of(card: str, mode: Mode) -> Calibration:
    """The shipped calibration of a card, or that of a file, whose name ends in .json.

    Without one for training it is that for inference, and the reverse. Raises `ValueError` for a bad file, and for a
    card that has no calibration.
    """
    if card.endswith(SUFFIX):
        return _of_file(Path(card))
    choose("calibrated card", card, sorted({name for name, _ in shipped()}))
    other: Mode = "inference" if mode == "train" else "train"
    return shipped().get((card, mode)) or shipped()[card, other]


def nearest_calibrated(compute_capability: str) -> str:
    """The calibrated card of the nearest architecture, given one such as "8.9"; the first one where it is not known."""
    own = {card: float(read_gpus()[card].compute_capability) for card, _ in shipped()}
    wanted = float(compute_capability) if compute_capability else min(own.values())
    return min(own, key=lambda card: abs(own[card] - wanted))


@functools.lru_cache(maxsize=16)
def _of_file(path: Path) -> Calibration:
    return read_calibration(path)


@functools.cache
def shipped() -> dict[tuple[str, Mode], Calibration]:
    """All calibrations that come with drystep, by card and mode."""
    found = [read_calibration(path) for path in sorted(FOLDER.glob("*.json"))]
    return {(calibration.card, calibration.mode): calibration for calibration in found}


def read_calibration(path: Path) -> Calibration:
    """Read a file of `drystep calibrate --from`. Raises `ValueError` for what is none."""
    try:
        return _calibration(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} is not a calibration as drystep calibrate --from writes it: {reason}") from error


def _calibration(content: Mapping[str, Any]) -> Calibration:
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {shown(content['format'])}, not {FORMAT!r}")
    groups: Mapping[str, Mapping[str, Any]] = content["groups"]
    factors: dict[Key, float] = {
        (group, resource): _figure(f"{resource} of {group}", fields[resource])
        for group, fields in groups.items()
        for resource in _resources(fields)
    }
    by_group = {group: _figure(f"error of {group}", fields["error"]) for group, fields in groups.items()}
    texts = {name: content[name] for name in ("card", "source", "measured_with", "date")}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"{name} must be text, not {shown(text)}")
    return Calibration(
        **texts,
        mode=next(mode for mode in get_args(Mode) if mode == choose("mode", content["mode"], get_args(Mode))),
        factors=factors,
        kernel_us=_figure("kernel_us", content["kernel_us"]),
        spread=Spread(by_group, _figure("width", content["width"])),
        errors=_errors(content["errors"]),
        families=int(_figure("families", content["families"])),
        parts=tuple(PartErrors(**{**part, "errors": _errors(part["errors"])}) for part in content["parts"]),
        peaks={name: _figure(name, peak) for name, peak in content["peaks"].items()},
    )


def _errors(content: Mapping[str, Any]) -> Errors:
    figures = {name: _figure(name, value) for name, value in content.items()}
    return Errors(**{**figures, "steps": int(figures["steps"])})  # type: ignore[arg-type]  # TypeError for other names


def _figure(name: str, value: Any) -> float:
    if not is_finite(value) or value < 0:
        raise ValueError(f"{name} must be a number that is not negative, not {shown(value)}")
    return float(value)


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration as JSON. Raises `OutputError`."""
    groups: dict[str, dict[str, float]] = {}
    for (group, resource), factor in sorted(calibration.factors.items()):
        groups.setdefault(group, {})[resource] = round(factor, DIGITS)
    for group, fields in groups.items():
        fields["error"] = round(calibration.spread.by_group[group], DIGITS)
    content: dict[str, Any] = {
        "format": FORMAT,
        "card": calibration.card,
        "mode": calibration.mode,
        "source": calibration.source,
        "measured_with": calibration.measured_with,
        "date": calibration.date,
        "families": calibration.families,
        "errors": asdict(calibration.errors),
        "parts": [asdict(part) for part in calibration.parts],
        "peaks": dict(calibration.peaks),
        "kernel_us": round(calibration.kernel_us, DIGITS),
        "width": round(calibration.spread.width, DIGITS),
        "groups": groups,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write the calibration to {path}: {error.strerror or error}") from error


def _resources(fields: Mapping[str, float]) -> list[Resource]:
    known: tuple[Resource, ...] = ("bytes", "operations", "items")
    return [name for name in known if name in fields]
