"""Training and inference steps of timm's models that an NVIDIA H200 ran, rebuilt (`drystep/ground_truth/README.md`)."""

import csv
from dataclasses import dataclass
from pathlib import Path

from drystep.gpus.classes import select_gpus
from drystep.zoo.timm_steps import BuildStep, Mode, timm_step

MEASURED_STEPS = Path(__file__).parents[1] / "ground_truth" / "h200_steps.csv"
(H200,) = select_gpus(["h200-141gb"])
OTHER_HANDLE_BYTES = 32 << 20
"""cuBLAS's workspace of the backward thread, which the training steps before have left to each inference."""


@dataclass(frozen=True)
class MeasuredStep:
    """One row: a step and what the card's counters said."""

    model: str
    """Name in timm."""
    mode: str
    """"train" or "infer"."""
    precision: str
    """"fp32", "amp-fp16" or "amp-bf16"; TF32 is allowed in convolutions, as by default."""
    layout: str
    """"nchw" or "nhwc"."""
    batch: int
    image_size: int
    cudnn_benchmark: bool
    milliseconds: float
    """Median of the steps that were timed."""
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    allocated_after_bytes: int
    """What stays allocated after a step."""

    @property
    def left_over_bytes(self) -> int:
        """What earlier steps of the process have left allocated."""
        return OTHER_HANDLE_BYTES if self.mode == "infer" else 0


def read_measured_steps(path: Path = MEASURED_STEPS) -> list[MeasuredStep]:
    """Read the rows of a table with these columns."""
    with path.open(newline="") as file:
        return [
            MeasuredStep(
                **{name: row[name] for name in ("model", "mode", "precision", "layout")},
                batch=int(row["batch"]),
                image_size=int(row["image_size"]),
                cudnn_benchmark=row["cudnn_benchmark"] == "1",
                milliseconds=float(row["milliseconds"]),
                peak_allocated_bytes=int(row["peak_allocated_bytes"]),
                peak_reserved_bytes=int(row["peak_reserved_bytes"]),
                allocated_after_bytes=int(row["allocated_after_bytes"]),
            )
            for row in csv.DictReader(file)
        ]


def build_measured_step(row: MeasuredStep) -> BuildStep:
    """A function that builds the model of a row and its step, as `drystep.simulate` takes it."""
    mode: Mode = "train" if row.mode == "train" else "inference"
    return timm_step(row.model, row.batch, row.image_size, mode, row.precision, row.layout)
