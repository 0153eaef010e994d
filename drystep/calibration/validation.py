"""Errors of predicted step times: of the shipped calibrations, of a table of the user, and what others claim."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drystep.calibration.errors import Checked, errors_of, parts_of
from drystep.calibration.step_table import MeasuredStep
from drystep.calibration.traced import StepToTrace
from drystep.gpus.classes import Gpu
from drystep.operators import Work
from drystep.time.calibrated.calibration import Mode, PartErrors, shipped
from drystep.time.calibrated.resources import peak_us
from drystep.time.prices import prices_of

CLAIMS = Path(__file__).parents[1] / "ground_truth" / "time_predictors.csv"
ALL = "all"


@dataclass(frozen=True)
class TimeErrors:
    """Errors of the steps of one card, mode, layout and precision."""

    card: str
    mode: Mode
    part: PartErrors
    source: str
    """Where the measured steps come from."""


@dataclass(frozen=True)
class Claim:
    """What another predictor's authors say of it."""

    predictor: str
    mean_percent: float
    on: str
    source: str


def shipped_errors() -> list[TimeErrors]:
    """Errors that every shipped calibration had on families of models that its factors had not seen."""
    found = []
    for (card, mode), calibration in shipped().items():
        parts = [*calibration.parts]
        if len(parts) > 1:
            parts.append(PartErrors(ALL, ALL, calibration.errors, {}))
        found += [TimeErrors(card, mode, part, calibration.source) for part in parts]
    return found


def table_errors(
    rows: Sequence[MeasuredStep], counted: Mapping[StepToTrace, Counter[Work]], gpu: Gpu, source: str
) -> list[TimeErrors]:
    """Errors of what is predicted for the steps of a table on a card, as kernels without waits for the host."""
    found = []
    for mode in dict.fromkeys(row.step.mode for row in rows):
        chosen = [row for row in rows if row.step.mode == mode]
        times = [_times(counted[row.step], gpu, mode) for row in chosen]
        predicted, roofline, spread = (torch.tensor(column).double() for column in zip(*times, strict=True))
        measured = torch.tensor([row.milliseconds for row in chosen]).double()
        inside = torch.log(measured / predicted).abs() <= spread
        checked = Checked(chosen, measured, predicted, roofline, inside)
        parts = [*parts_of(checked)]
        if len(parts) > 1:
            parts.append(PartErrors(ALL, ALL, errors_of(checked), {}))
        found += [TimeErrors(gpu.name, mode, part, source) for part in parts]
    return found


def _times(counted: Counter[Work], gpu: Gpu, mode: Mode) -> tuple[float, float, float]:
    """Predicted milliseconds, those at the card's peaks, and the half width of the interval as a logarithm."""
    prices = prices_of(gpu.peaks, gpu.name, mode)
    predicted_us = sum(prices.kernels_us(work, times) for work, times in counted.items())
    roofline_us = sum(times * peak_us(work, gpu.peaks, gpu.name) for work, times in counted.items())
    return predicted_us / 1e3, roofline_us / 1e3, prices.spread


def claims() -> list[Claim]:
    """What the authors of other predictors publish."""
    with CLAIMS.open(newline="", encoding="utf-8") as file:
        return [
            Claim(row["predictor"], float(row["claimed_mean_error_percent"]), row["on"], row["source"])
            for row in csv.DictReader(file)
        ]
