"""Tables of measured steps, from which a card is calibrated: one row for each model, batch, size and precision."""

import csv
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drystep.bounds import require_whole, shown
from drystep.calibration.traced import StepToTrace
from drystep.cuda.rules import VERSIONS
from drystep.errors import choose
from drystep.zoo.timm_steps import AUTOCAST, LAYOUTS, MODES

COLUMNS = ("spec", "batch", "size", "precision", "milliseconds")
"""Columns that a table must have."""
OPTIONAL = {"mode": "train", "layout": "nchw", "torch": VERSIONS[-1], "reparameterized": "no"}
"""Columns that it may have, and what holds without them."""
PREFIX = "timm:"
MOST_BATCH, MOST_SIZE = 65536, 16384
MOST_DIGITS = 20
"""Digits that are read as a number; Python refuses thousands."""
FEWEST_MODELS = 20


@dataclass(frozen=True)
class MeasuredStep:
    """One row."""

    line: int
    """In the file, from 1."""
    step: StepToTrace
    milliseconds: float
    family: str
    """timm's module of the model: models of one family are much alike, so errors leave out whole families."""


def read_table(path: Path) -> list[MeasuredStep]:
    """Read a table. Raises `ValueError` with the line of the first row that cannot be, or for a table without rows."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_rows(path, csv.DictReader(file)))
    except OSError as error:
        raise ValueError(f"cannot read measured steps from {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a text table: {error}") from error
    if not rows:
        raise ValueError(f"{path}: no measured step: give a table with the columns {', '.join(COLUMNS)}")
    return rows


def require_fittable(path: Path, rows: Sequence[MeasuredStep]) -> None:
    """Raise `ValueError` for rows to which no calibration can be fitted: too few models, or steps of both modes."""
    models = {row.step.model for row in rows}
    if len(models) < FEWEST_MODELS:
        raise ValueError(f"{path} has {len(models)} models: a calibration needs at least {FEWEST_MODELS}")
    modes = sorted({row.step.mode for row in rows})
    if len(modes) > 1:
        raise ValueError(f"{path} has steps of {' and '.join(modes)}: give each a table of its own")


def _rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[MeasuredStep]:
    names = tuple(reader.fieldnames or ())
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{path}:1: not a table of measured steps: the header lacks {', '.join(missing)}")
    for row in reader:
        try:
            yield _row(reader.line_num, row)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}:{reader.line_num}: {error}") from error


def _row(line: int, row: Mapping[str, str | None]) -> MeasuredStep:
    fields = {name: (row.get(name) or "").strip() for name in (*COLUMNS, *OPTIONAL)}
    fields |= {name: fields[name] or default for name, default in OPTIONAL.items()}
    if not fields["spec"].startswith(PREFIX):
        raise ValueError(f"spec is {shown(fields['spec'])}: write {PREFIX} and a model's name, such as timm:resnet50")
    model = fields["spec"].removeprefix(PREFIX)
    step = StepToTrace(
        model=model,
        batch_size=_whole("batch", fields["batch"], MOST_BATCH),
        image_size=_whole("size", fields["size"], MOST_SIZE),
        precision=choose("precision", fields["precision"], AUTOCAST),
        mode=next(mode for mode in MODES if mode == choose("mode", fields["mode"], MODES)),
        layout=choose("layout", fields["layout"], LAYOUTS),
        torch=choose("version of PyTorch", fields["torch"], VERSIONS),
        reparameterized=choose("reparameterized", fields["reparameterized"], ("yes", "no")) == "yes",
    )
    return MeasuredStep(line, step, _milliseconds(fields["milliseconds"]), family_of(model))


def _whole(column: str, text: str, most: int) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return require_whole(column, int(text) if digits else text, 1, most)


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"milliseconds is {shown(text)}, not a number") from None
    if not 0 < value < float("inf"):
        raise ValueError(f"milliseconds is {shown(text)}, not a positive number")
    return value


def family_of(model: str) -> str:
    """The module of timm that defines a model. Raises `ValueError` for a name that timm does not know."""
    import timm
    from timm.models import get_deprecated_models, model_entrypoint

    name: str | None = model.partition(".")[0]
    name = get_deprecated_models().get(name, name)  # what stands in for an old name is in no module of the model
    if name is None or not timm.is_model(name):
        version = importlib.metadata.version("timm")
        raise ValueError(f"timm {version} has no model {shown(model)}: see timm.list_models()")
    return str(model_entrypoint(name).__module__).rpartition(".")[2]
