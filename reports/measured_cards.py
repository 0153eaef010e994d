"""What was measured on real cards: a table for each folder of `reports/measured`, from its `summary.csv`.

`python -m bench prove` writes such a folder, named after the card.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reports.cells import MISSING, Column, number, signed, verdict
from reports.escaping import markdown_cell
from reports.records import label_of
from reports.tables import TASKS, Table
from reports.units import MIB

MEASURED = Path(__file__).with_name("measured")
SUMMARY = "summary.csv"
TEXTS = (
    "card", "task", "method", "backbone", "image_size", "precision", "status", "driver", "torch", "cuda",
    "measured_at",
)  # fmt: skip
FIGURES = (
    "batch_size", "measured_allocated_bytes", "simulated_allocated_bytes", "allocated_error_percent",
    "measured_reserved_bytes", "simulated_reserved_bytes", "reserved_error_percent", "nvml_process_bytes",
    "measured_step_ms", "predicted_step_ms", "step_error_percent",
)  # fmt: skip
DECIDED = ("fits", "fits_with_retries", "oom")
"""Verdicts that a run can have; a simulation may also leave it open."""
SIDES = ("_measured", "_simulated")
"""Endings of the two columns that a GPU class has."""


def measured_tables(folder: Path = MEASURED) -> list[Table]:
    """Figures, and verdicts under the limits of smaller cards, of each card; a file that is no summary has none."""
    tables: list[Table] = []
    for path in sorted(folder.glob(f"*/{SUMMARY}")):
        frame = read_summary(path)
        if frame is not None:
            tables += [_figures(frame), *_verdicts(frame)]
    return tables


def read_summary(path: Path) -> pd.DataFrame | None:
    """The rows of a summary, with numbers where figures are; None for a file that is none, or has no row."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError):  # not there, not UTF-8, or no table
        return None
    if frame.empty or not {*TEXTS, *FIGURES} <= set(frame.columns):
        return None
    figures = {name: pd.to_numeric(frame[name], errors="coerce") for name in FIGURES}
    return frame.assign(**figures)


def _figures(frame: pd.DataFrame) -> Table:
    first = frame.iloc[0]
    compared = frame[frame["status"] == "ok"]
    medians = ", ".join(
        f"{name} {number([compared[f'{column}_error_percent'].abs().median()], 2)[0]} %"
        for name, column in (("allocated", "allocated"), ("reserved", "reserved"), ("step time", "step"))
    )
    facts = f"driver {first['driver'] or 'not known'}, PyTorch {first['torch']}, CUDA {first['cuda'] or 'not known'}"
    return Table(
        f"Measured on {first['card']}",
        f"Peaks and step times are **measured** ({markdown_cell(facts)}, {markdown_cell(first['measured_at'][:10])}). "
        "Beside them are **simulated** peaks, without the workspaces that convolutions may take, and **predicted** "
        "times, which rest on the card's calibration. NVML is what the driver says of the process. Median absolute "
        "error: "
        f"{medians}.",
        [
            *_names(frame),
            ("allocated MiB", number(frame["measured_allocated_bytes"] / MIB)),
            ("allocated MiB, simulated", number(frame["simulated_allocated_bytes"] / MIB)),
            ("allocated, error %", signed(frame["allocated_error_percent"], 2)),
            ("reserved MiB", number(frame["measured_reserved_bytes"] / MIB)),
            ("reserved MiB, simulated", number(frame["simulated_reserved_bytes"] / MIB)),
            ("reserved, error %", signed(frame["reserved_error_percent"], 2)),
            ("NVML MiB", number(frame["nvml_process_bytes"] / MIB)),
            ("step ms", number(frame["measured_step_ms"], 1)),
            ("step ms, predicted", number(frame["predicted_step_ms"], 1)),
            ("step, error %", signed(frame["step_error_percent"], 1)),
            ("status", list(frame["status"])),
        ],
    )


def _verdicts(frame: pd.DataFrame) -> list[Table]:
    """Which cases fit which class: measured under an allocator limit, and simulated where that says otherwise."""
    gpus = [name.removesuffix(SIDES[0]) for name in frame.columns if name.endswith(SIDES[0])]
    gpus = [gpu for gpu in gpus if f"{gpu}{SIDES[1]}" in frame.columns]
    known = frame[[bool(any(row)) for row in frame[[f"{gpu}{SIDES[0]}" for gpu in gpus]].to_numpy()]]
    if not gpus or known.empty:
        return []
    pairs = [(known[f"{gpu}{SIDES[0]}"], known[f"{gpu}{SIDES[1]}"]) for gpu in gpus]
    both = [(measured, simulated) for sides in pairs for measured, simulated in zip(*sides, strict=True)]
    compared = [measured == simulated for measured, simulated in both if measured and simulated in DECIDED]
    return [
        Table(
            f"What fits smaller cards, measured on {frame.iloc[0]['card']}",
            "**Measured** under a limit of PyTorch's allocator that stands for the smaller card. Where the "
            f"**simulated** verdict is another, it follows. {sum(compared)} of {len(compared)} verdicts agree.",
            [*_names(known), *((gpu, _cells(*sides)) for gpu, sides in zip(gpus, pairs, strict=True))],
        )
    ]


def _cells(measured: Sequence[str], simulated: Sequence[str]) -> list[str]:
    return [
        f"{verdict(found or None)} (simulated: {verdict(ours)})"
        if found and ours and found != ours
        else verdict(found or None)
        for found, ours in zip(measured, simulated, strict=True)
    ]


def _names(frame: pd.DataFrame) -> list[Column]:
    settings = [
        f"{backbone} {'' if pd.isna(images) else int(images)}x{size}"
        for backbone, images, size in zip(frame["backbone"], frame["batch_size"], frame["image_size"], strict=True)
    ]
    return [
        ("Method", [label_of(method) for method in frame["method"]]),
        ("task", [TASKS.get(task, task) or MISSING for task in frame["task"]]),
        ("model and images", settings),
        ("precision", list(frame["precision"])),
    ]
