"""Training and inference steps of timm's models that an NVIDIA H200 ran, rebuilt (`drystep/ground_truth/README.md`)."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from drystep.gpus.classes import Gpu
from drystep.trace.recorder import BuildStep
from drystep.validation.rebuilds.training_step import library

MEASURED_STEPS = Path(__file__).parents[1] / "ground_truth" / "h200_steps.csv"
H200 = Gpu(
    name="nvidia-h200",
    label="NVIDIA H200",
    visible_mib=143155,
    context_mib=686,
    source="the measurements (`drystep/ground_truth/README.md`)",
    compute_capability="9.0",
)
HALF = {"amp-fp16": torch.float16, "amp-bf16": torch.bfloat16}
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
    timm = library("timm")

    def build_step(device: torch.device) -> Callable[[], None]:
        layout = torch.channels_last if row.layout == "nhwc" else torch.contiguous_format
        model: Any = timm.create_model(row.model).to(device, memory_format=layout)
        size = (row.batch, 3, row.image_size, row.image_size)
        pictures = torch.randn(*size, device=device).contiguous(memory_format=layout)

        def cast() -> torch.autocast:
            return torch.autocast(device.type, HALF.get(row.precision, torch.float16), row.precision in HALF)

        if row.mode == "infer":
            model.eval()

            def infer() -> None:
                with torch.no_grad(), cast():
                    model(pictures)

            return infer
        optimizer = torch.optim.SGD(model.train().parameters(), lr=1e-4, momentum=0.9)
        targets = torch.randint(0, model.num_classes, (row.batch,), device=device)
        loss = nn.CrossEntropyLoss().to(device)

        def step() -> None:
            optimizer.zero_grad()
            with cast():  # the backward pass runs in the region, too
                loss(model(pictures), targets).backward()
            optimizer.step()

        return step

    return build_step
