"""A calibration from a table of measured steps: trace, fit, and cross-validate over families of models."""

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context

import torch
from torch import Tensor

from drystep.calibration.errors import Checked, errors_of, parts_of
from drystep.calibration.step_table import MeasuredStep
from drystep.calibration.traced import StepToTrace, counted_work
from drystep.gpus.classes import Gpu
from drystep.gpus.peaks import PEAK_FIELDS
from drystep.operators import Work
from drystep.time.calibrated.calibration import Calibration
from drystep.time.calibrated.fit import cross_validated, fit
from drystep.time.calibrated.resources import Key, peak_us, total_us
from drystep.time.calibrated.spread import spread_of
from drystep.time.calibrated.typical import typical_factor

KERNEL_US = 2.0
"""Typical time of a kernel that has next to nothing to do."""
SOONEST, LATEST = 0.35, 300.0
"""Least and most parts of the time at the card's peaks that a step can take. Kernels beyond the peaks: Winograd's need
fewer operations than are counted, and caches save bytes."""
Counted = Mapping[StepToTrace, Counter[Work]]


@dataclass(frozen=True)
class Columns:
    """Measured steps as a least-squares problem."""

    keys: tuple[Key | None, ...]
    """Group and resource of each column; None for the number of kernels."""
    milliseconds: Tensor
    """(N, K) at the card's peaks, or a microsecond for each kernel."""
    measured_ms: Tensor
    """(N,)."""
    families: tuple[str, ...]
    typical: Tensor
    """(K,) factors to start from."""
    roofline_ms: Tensor
    """(N,) every kernel at the card's peaks."""


def count_all(
    rows: Sequence[MeasuredStep], on_each: Callable[[], object], workers: int = os.cpu_count() or 1
) -> dict[StepToTrace, Counter[Work]]:
    """Trace the steps of a table in so many processes, with one in this process itself.

    `on_each` is called after each. Raises `ValueError` with the line of one that cannot be traced.
    """
    steps = list(dict.fromkeys(row.step for row in rows))
    lines = {row.step: row.line for row in reversed(rows)}
    found: dict[StepToTrace, Counter[Work]] = {}
    with closing(_in_order(steps, min(workers, len(steps)))) as in_order:
        for step, counted in zip(steps, in_order, strict=True):
            if isinstance(counted, str):
                raise ValueError(f"line {lines[step]}: cannot trace timm:{step.model}: {counted}")
            found[step] = counted
            on_each()
    return found


def _in_order(steps: Sequence[StepToTrace], workers: int) -> Generator[Counter[Work] | str, None, None]:
    if workers <= 1:
        yield from map(_counted, steps)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        try:
            yield from pool.map(_counted, steps, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nobody waits for the others


def _one_thread() -> None:
    torch.set_num_threads(1)


def _counted(step: StepToTrace) -> Counter[Work] | str:
    try:
        return counted_work(step)
    except Exception as error:  # pickled as its message: what a model raises may not be importable elsewhere
        return f"{type(error).__name__}: {error}"


def columns_of(rows: Sequence[MeasuredStep], counted: Counted, gpu: Gpu) -> Columns:
    """The problem of fitting a card's factors. Raises `ValueError` for a row whose time cannot be in milliseconds."""
    totals = [_checked(row, counted[row.step], gpu) for row in rows]
    keys = tuple(sorted({key for sums, _ in totals for key in sums}))
    table = torch.tensor([[sums.get(key, 0.0) for key in keys] + [kernels] for sums, kernels in totals])
    return Columns(
        (*keys, None),
        table.double() / 1e3,
        torch.tensor([row.milliseconds for row in rows]).double(),
        tuple(row.family for row in rows),
        torch.tensor([*map(typical_factor, keys), KERNEL_US]).double(),
        torch.tensor([_roofline_ms(counted[row.step], gpu) for row in rows]).double(),
    )


def _checked(row: MeasuredStep, counted: Counter[Work], gpu: Gpu) -> tuple[dict[Key, float], int]:
    peaks_ms = _roofline_ms(counted, gpu)
    if not SOONEST * peaks_ms <= row.milliseconds <= LATEST * peaks_ms:
        raise ValueError(
            f"line {row.line}: a step of timm:{row.step.model} with {row.step.batch_size} images cannot take "
            f"{row.milliseconds:g} ms on {gpu.label}, which needs {peaks_ms:.3g} ms at its peaks: "
            "the time may be in another unit"
        )
    return total_us(counted, gpu.peaks, gpu.name)


def _roofline_ms(counted: Counter[Work], gpu: Gpu) -> float:
    return sum(times * peak_us(work, gpu.peaks, gpu.name) for work, times in counted.items()) / 1e3


def calibrate(
    rows: Sequence[MeasuredStep], columns: Columns, gpu: Gpu, source: str, measured_with: str
) -> Calibration:  # fmt: skip
    """Fit the factors of a card, and their errors over families that the factors have not seen."""
    fitted = fit(columns.milliseconds, columns.measured_ms, columns.typical)
    predicted_ms = cross_validated(columns.milliseconds, columns.measured_ms, columns.families, columns.typical)
    groups, shares = _shares(columns, fitted.factors)
    errors = torch.log(columns.measured_ms / predicted_ms)
    factors = {key: float(factor) for key, factor in zip(columns.keys, fitted.factors, strict=True) if key}
    spread = spread_of(errors, shares, groups)
    halves = torch.tensor([spread.of(dict(zip(groups, row, strict=True))) for row in shares.tolist()]).double()
    checked = Checked(rows, columns.measured_ms, predicted_ms, columns.roofline_ms, errors.abs() <= halves)
    return Calibration(
        card=gpu.name,
        mode=rows[0].step.mode,
        factors=factors,
        kernel_us=float(fitted.factors[columns.keys.index(None)]),
        spread=spread,
        errors=errors_of(checked),
        parts=parts_of(checked),
        source=source,
        measured_with=measured_with,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        families=len(set(columns.families)),
        peaks={name: getattr(gpu.peaks, name) for name in _numbers(gpu)},
    )


def _shares(columns: Columns, factors: Tensor) -> tuple[tuple[str, ...], Tensor]:
    """The groups, and their shares (N, G) of each step's predicted time; kernels' own time is left out."""
    parts = columns.milliseconds * factors
    names = [key[0] if key else None for key in columns.keys]
    groups = tuple(sorted({name for name in names if name}))
    sums = [parts[:, [name == group for name in names]].sum(1) for group in groups]
    table = torch.stack(sums, 1)
    return groups, table / table.sum(1, keepdim=True)


def _numbers(gpu: Gpu) -> Iterator[str]:
    for name in PEAK_FIELDS:
        if isinstance(getattr(gpu.peaks, name), int | float) and not isinstance(getattr(gpu.peaks, name), bool):
            yield name
