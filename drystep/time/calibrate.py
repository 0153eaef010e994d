"""Measures the card at hand: what its products and its memory reach, as a block for a file of classes.

A peak here is the rate that was measured over the part of the peak that the same operator achieves on a card of the
operator data. So the curves of that card, at this card's level, predict what was measured. The card whose curves agree
best among sizes is taken.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import Tensor

from drystep.gpus.classes import class_name, toml_text
from drystep.operators import Work
from drystep.time.calibrated.calibration import nearest_calibrated
from drystep.time.efficiency import Achieved
from drystep.time.measured_operators import measured_cards
from drystep.units import MIB

SIDES = (1024, 2048, 4096, 8192)
"""Of square matrix products."""
MEMORY_BYTES = 256 * MIB
"""Of each operand of a copy or an elementwise kernel: beyond any cache."""
REPEATS, SECONDS = 20, 1.0
"""Runs of one operator at most, and how long they may take."""
DIGITS = 4
AMPERE = (8, 0)


@dataclass(frozen=True)
class Measurement:
    """One operator, timed."""

    field: str
    """The peak that it says something about, a field of `Peaks`."""
    work: Work
    time_us: float


def measure_card(
    device: torch.device, sides: Sequence[int] = SIDES, memory_bytes: int = MEMORY_BYTES
) -> list[Measurement]:
    """Time products in each precision that the device has, copies and elementwise kernels; under two minutes."""
    found = []
    for field, dtype in precisions(device).items():
        allowed = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = field == "tf32_tflops"
        try:
            for side in sides:
                factor = torch.randn(side, side, device=device, dtype=dtype)
                multiply = partial(torch.matmul, factor, factor)
                moved = 3 * side * side * factor.element_size()
                work = Work("linear", 2 * side**3, moved, 1, dtype, side, side)
                found.append(Measurement(field, work, _time_us(device, multiply)))
        finally:
            torch.backends.cuda.matmul.allow_tf32 = allowed
    operand = torch.ones(memory_bytes // 4, device=device)
    made = torch.empty_like(operand)
    calls: Mapping[Callable[[], Tensor], int] = {
        lambda: made.copy_(operand): 2,
        lambda: torch.add(operand, operand, out=made): 2,  # one operand twice is read once
        lambda: torch.mul(operand, 2.0, out=made): 2,
    }
    for call, passes in calls.items():
        work = Work("elementwise", 0, passes * memory_bytes, 1, torch.float32)
        found.append(Measurement("bandwidth_gbs", work, _time_us(device, call)))
    return found


def precisions(device: torch.device) -> dict[str, torch.dtype]:
    """Field of the peak -> dtype of the products that show it, for each unit that the device has."""
    found = {"fp32_tflops": torch.float32}
    if device.type == "cuda":
        found["fp16_tflops"] = torch.float16
        if torch.cuda.get_device_capability(device) >= AMPERE:
            found |= {"tf32_tflops": torch.float32, "bf16_tflops": torch.bfloat16}
    return found


def peaks_from(measurements: Sequence[Measurement]) -> tuple[str, dict[str, float]]:
    """The measured card whose curves agree best with the measurements, and the peaks that they then say.

    Raises `ValueError` without a measurement.
    """
    if not measurements:
        raise ValueError("nothing was measured: a card's peaks need a product and a copy")
    said = {card: _peaks_by(measurements, achieved) for card, achieved in measured_cards().items()}
    card = min(said, key=lambda name: sum(map(_spread, said[name].values())))
    return card, {field: median(values) for field, values in said[card].items()}


def _peaks_by(measurements: Sequence[Measurement], achieved: Achieved) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for measurement in measurements:
        found.setdefault(measurement.field, []).append(_peak(measurement, achieved))
    return found


def _peak(measurement: Measurement, achieved: Achieved) -> float:
    """The peak at which the curve predicts the time; the curve's size depends on the peak, hence the repetition."""
    work, time_us = measurement.work, measurement.time_us
    part = 1.0
    for _ in range(REPEATS):
        part = achieved.fraction(work, time_us * part)
    return work.flops / (1e6 * time_us * part) if work.flops else work.moved_bytes / (1e3 * time_us * part)


def _spread(values: Sequence[float]) -> float:
    """Largest over smallest, as a logarithm."""
    return math.log(max(values) / min(values))


def _time_us(device: torch.device, call: Callable[[], Tensor]) -> float:
    """Median of some runs after a warm-up."""
    for _ in range(3):
        call()
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < 1e6 * SECONDS:
        _synchronize(device)
        start = time.perf_counter()
        for _ in range(3):  # launches run ahead, as in a step
            call()
        _synchronize(device)
        times.append(1e6 * (time.perf_counter() - start) / 3)
    return median(times)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured_block(device: torch.device, name: str | None = None) -> str:
    """Measure the card at hand, under two minutes: the block of its class.

    `name` is that of the class; None makes one of the card's own. Raises `ValueError` if nothing was measured.
    """
    label = torch.cuda.get_device_name(device)
    card, peaks = peaks_from(measure_card(device))
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    context_mib = max(0, (total - free - torch.cuda.memory_reserved(device)) // MIB)
    major, minor = torch.cuda.get_device_capability(device)
    name = name or class_name(label)
    processors = torch.cuda.get_device_properties(device).multi_processor_count
    return toml_block(name, label, total // MIB, context_mib, card, peaks, f"{major}.{minor}", processors)


def toml_block(
    name: str,
    label: str,
    visible_mib: int,
    context_mib: int,
    card: str,
    peaks: Mapping[str, float],
    compute_capability: str = "",
    multiprocessors: int | None = None,
) -> str:
    """The block of a card's class; `card` is the measured one whose curves it has.

    Its factors are those of the calibrated card of the nearest architecture.
    """
    lines = [
        f"[{toml_text(name) if '.' in name else name}]",  # else a dot would make a table in a table
        f"label = {toml_text(label)}",
        f"compute_capability = {toml_text(compute_capability)}",
        f"visible_mib = {visible_mib}",
        f"context_mib = {context_mib}",
        'source = "measured with drystep calibrate"',
        *(f"{field} = {value:.{DIGITS}g}" for field, value in peaks.items()),
        *([] if multiprocessors is None else [f"multiprocessors = {multiprocessors}"]),
        f"factors = {toml_text(nearest_calibrated(compute_capability))}" if multiprocessors is not None else "",
        f"operators = {toml_text(card)}",
        "scaled = true",
        f"peaks_source = {toml_text(f'measured with drystep calibrate, PyTorch {torch.__version__}')}",
    ]
    return "\n".join(line for line in lines if line) + "\n"
