"""Measured step times of language models, in tables of NeuSight's format (`drystep/ground_truth/README.md`)."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from drystep.errors import choose
from drystep.gpus.peaks import Peaks, read_peaks
from drystep.validation.ground_truth import FOLDER
from drystep.validation.timed_models import MODELS

CARDS = FOLDER / "neusight_cards.csv"
COLUMNS = ("model", "mode", "batch", "seq", "gpu", "e2e_ms", "fw_ms", "bw_ms", "dtype")
"""Columns that a table must have. Others are ignored, except for `flag` and `gemm_gflop_fw/bw`."""
MODES = ("inf", "train")


@dataclass(frozen=True)
class TimedStep:
    """One measured forward pass, or forward and backward pass."""

    model: str
    trains: bool
    batch_size: int
    length: int
    """Number of tokens of a text."""
    card: str
    step_ms: float
    forward_ms: float
    backward_ms: float
    """0 for an inference."""
    flag: str = ""
    """Remark by the source of the labels on something unusual."""
    gemm_gflop: float | None = None
    """Operations of the matrix products in 10^9, counted by the source."""


def read_cards() -> dict[str, Peaks]:
    """Return the peaks of the measured cards by name, from their datasheets."""
    with CARDS.open(newline="", encoding="utf-8") as file:
        return {row["name"]: _card(row) for row in csv.DictReader(file)}


def _card(row: Mapping[str, str]) -> Peaks:
    numbers = {name: float(row[name]) for name in ("fp32_tflops", "bandwidth_gbs")}
    table = {**numbers, "operators": row["name"], "scaled": False, "peaks_source": row["source"]}
    return read_peaks(row["name"], table)


def read_steps(path: Path) -> list[TimedStep]:
    """Read a table. Raises `ValueError` with the number of the first invalid line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            steps = list(_steps(path, csv.DictReader(file)))
    except OSError as error:
        raise ValueError(f"cannot read measured steps from {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a text table: {error}") from error
    if not steps:
        raise ValueError(f"{path}: no measured step: give a table with the columns {', '.join(COLUMNS)}")
    return steps


def _steps(path: Path, reader: "csv.DictReader[str]") -> Iterator[TimedStep]:
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"{path}:1: not a table of step times: the header lacks {', '.join(missing)}")
    cards = read_cards()
    for row in reader:
        try:
            yield _step(row, cards)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}:{reader.line_num}: {error}") from error


def _step(row: Mapping[str, str], cards: Mapping[str, Peaks]) -> TimedStep:
    if row["dtype"] != "fp32":
        raise ValueError(f"dtype is {row['dtype']!r}, not fp32")
    products = [row.get(f"gemm_gflop_{phase}") for phase in ("fw", "bw")]
    return TimedStep(
        model=choose("model", row["model"], MODELS),
        trains=choose("mode", row["mode"], MODES) == "train",
        batch_size=int(_positive(row, "batch")),
        length=int(_positive(row, "seq")),
        card=choose("gpu", row["gpu"], cards),
        step_ms=_positive(row, "e2e_ms"),
        forward_ms=_positive(row, "fw_ms"),
        backward_ms=float(row["bw_ms"]),
        flag=row.get("flag") or "",
        gemm_gflop=sum(float(count or 0) for count in products) if products[0] else None,
    )


def _positive(row: Mapping[str, str], column: str) -> float:
    value = float(row[column])
    if not 0 < value < float("inf"):
        raise ValueError(f"{column} is {row[column]!r}, not a positive number")
    return value
