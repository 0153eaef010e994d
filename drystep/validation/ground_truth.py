"""Measured training runs, read from tables in the format of the xMem results (`drystep/ground_truth/README.md`)."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parents[1] / "ground_truth"
SAMPLE, STEPS = FOLDER / "xmem_sample.csv", FOLDER / "neusight_steps.csv"
"""Measured runs of xMem, and measured step times of NeuSight."""
FIELD_REPORTS = FOLDER / "field_reports.csv"
"""Memory that other people published of their training steps (`drystep.validation.field_reports`)."""
ESTIMATORS = ("xmem", "dnnmem", "schedtune", "llmem")
"""Estimators whose estimates the source used as memory limits when it repeated a run."""
KINDS = ("cnn", "transformer")
COLUMNS = (
    "id", "kind", "model", "input", "num_classes", "optimizer", "lr", "zero_grad_mode", "batch_size", "iterations",
    "precision", "gpu", "gpu_total_bytes", "measured_peak_bytes", "oom", "source_path", "source_commit",
    *(f"{estimator}_check_{what}" for estimator in ESTIMATORS for what in ("fraction", "oom")),
)  # fmt: skip
"""Columns that a table must have; others are ignored."""

Kind = Literal["cnn", "transformer"]
Row = dict[str, str]


@dataclass(frozen=True)
class CappedRun:
    """A repetition of a run under a limit on what the allocator reserves."""

    fraction: float
    """Limit as a fraction of the device's memory (`set_per_process_memory_fraction`)."""
    oom: bool


@dataclass(frozen=True)
class MeasuredRun:
    """One training run on a GPU, and how to repeat it."""

    id: str
    kind: Kind
    model: str
    """Name in torchvision or of the Hugging Face hub."""
    num_classes: int
    """Number of classes of a CNN; 0 for a language model."""
    image_size: tuple[int, int]
    """Height and width of a CNN's images; (0, 0) for a language model."""
    optimizer: str
    """Class in `torch.optim`."""
    learning_rate: float
    zero_grad_mode: int
    """0: at the start of a step; 1: before backward (also where it was not recorded); 2: after the optimizer."""
    batch_size: int
    iterations: int
    device_bytes: int
    """`total_memory` of the device."""
    measured_bytes: int
    """Highest use of the device according to NVML, up to the failure if it ran out of memory."""
    oom: bool
    capped: tuple[CappedRun, ...]


def read_runs(path: Path) -> list[MeasuredRun]:
    """Read a table. Raises `ValueError` with the number of the first invalid line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return _runs(path, csv.reader(file, strict=True))
    except OSError as error:
        raise ValueError(f"cannot read measured runs from {path}: {error.strerror}") from error


def _runs(path: Path, reader: Iterable[list[str]]) -> list[MeasuredRun]:
    line, header, runs = 0, None, []
    lines = iter(reader)
    while True:
        line = getattr(lines, "line_num", line) + 1
        try:
            fields = next(lines, None)
            if fields is None:
                break
            if header is None:
                header = _header(fields)
            elif fields:
                runs.append(_run(_row(header, fields)))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}:{line}: not a text table: {error}") from error
        except (csv.Error, ValueError) as error:
            raise ValueError(f"{path}:{line}: {error}") from error
    if not runs:
        raise ValueError(f"{path}:{line}: no measured run: give a table with the columns {', '.join(COLUMNS[:4])}, ...")
    return runs


def _header(fields: list[str]) -> list[str]:
    missing = [name for name in COLUMNS if name not in fields]
    if missing:
        raise ValueError(f"not a table of xMem results: the header lacks {', '.join(missing)}")
    return fields


def _row(header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        raise ValueError(f"{len(fields)} fields where the header has {len(header)}: is the file truncated?")
    return dict(zip(header, fields, strict=True))


def _run(row: Row) -> MeasuredRun:
    kind, model = row["kind"], row["model"]
    library = {"cnn": "torchvision", "transformer": "hf"}.get(kind)
    if library is None:
        raise ValueError(f"unknown kind {kind!r}: choose from {', '.join(KINDS)}")
    _require(row, "model", rf"{library}:\S+", f"{library}:NAME")
    _require(row, "source_commit", "[0-9a-f]{40}", "40 hexadecimal digits; is the file truncated?")
    _require(row, "precision", "fp32", "fp32")
    _require(row, "optimizer", r"\w+", "the name of an optimizer")
    _require(row, "zero_grad_mode", "[012]?", "0, 1, 2 or empty")
    return MeasuredRun(
        id=row["id"],
        kind="cnn" if kind == "cnn" else "transformer",
        model=model.split(":", 1)[1],
        num_classes=_count(row, "num_classes") if kind == "cnn" else 0,
        image_size=_image_size(row) if kind == "cnn" else (0, 0),
        optimizer=row["optimizer"],
        learning_rate=_number(row, "lr"),
        zero_grad_mode=int(row["zero_grad_mode"] or 1),
        batch_size=_count(row, "batch_size"),
        iterations=_count(row, "iterations"),
        device_bytes=_count(row, "gpu_total_bytes"),
        measured_bytes=_count(row, "measured_peak_bytes"),
        oom=_flag(row, "oom"),
        capped=_capped(row),
    )


def _capped(row: Row) -> tuple[CappedRun, ...]:
    checked = [name for name in ESTIMATORS if row[f"{name}_check_fraction"]]
    return tuple(
        CappedRun(_fraction(row, f"{name}_check_fraction"), _flag(row, f"{name}_check_oom")) for name in checked
    )


def _require(row: Row, column: str, pattern: str, wanted: str) -> str:
    if not re.fullmatch(pattern, row[column]):
        raise ValueError(f"{column} is {row[column]!r}, not {wanted}")
    return row[column]


def _count(row: Row, column: str) -> int:
    return int(_require(row, column, "[1-9][0-9]*", "a positive whole number"))


def _number(row: Row, column: str) -> float:
    return float(_require(row, column, r"[0-9]*\.?[0-9]+(e-?[0-9]+)?", "a number"))


def _fraction(row: Row, column: str) -> float:
    fraction = _number(row, column)
    if not 0 < fraction <= 1:
        raise ValueError(f"{column} is {row[column]!r}, not a part of the device between 0 and 1")
    return fraction


def _flag(row: Row, column: str) -> bool:
    return _require(row, column, "[01]", "0 or 1") == "1"


def _image_size(row: Row) -> tuple[int, int]:
    _, height, width = _require(row, "input", r"3x[1-9]\d*x[1-9]\d*", "an image such as 3x86x86").split("x")
    return int(height), int(width)
