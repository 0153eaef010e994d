"""Measured cases beside their simulations: one row each, for a table that programs read. Does not import torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from bench.proof.folder import Folder
from bench.proof.states import simulated_case
from bench.results.result import Result
from drystep.gpus.classes import Gpu, class_name
from drystep.memory.verdict import Verdict
from drystep.units import growth_percent

Value = str | int | float | None
DECIDED = get_args(Verdict)
"""Verdicts that a run can have; a simulation may also leave it open."""
QUANTITIES = ("allocated", "reserved", "step")
"""What is compared: two kinds of memory, and the time of a step."""


@dataclass(frozen=True)
class Row:
    """One measured case."""

    measured: Result
    simulated: Result | None
    """None where it was not simulated, or could not be."""

    def bytes_of(self, quantity: str) -> tuple[int | None, int | None]:
        """Measured and simulated peak; None where a side has none."""
        return _peak(self.measured, quantity), _peak(self.simulated, quantity)

    @property
    def step_ms(self) -> tuple[float | None, float | None]:
        """Measured and predicted time of a step on this card."""
        measured = ((self.measured.time or {}).get("step_ms") or {}).get("median")
        card = class_name(str(self.measured.environment.get("device")))
        predicted = self.simulated.predicted_time.get(card, {}) if self.simulated else {}
        return measured, predicted.get("step_ms")

    def error_percent(self, quantity: str) -> float | None:
        """Growth from the measured figure to the simulated one; None where a side has none, or the step broke off."""
        measured, simulated = self.step_ms if quantity == "step" else self.bytes_of(quantity)
        if self.measured.status != "ok" or not measured or simulated is None:
            return None
        return growth_percent(measured, simulated)

    def verdicts(self, gpu: str) -> tuple[str | None, str | None]:
        """Measured and simulated verdict for a class."""
        sides = (self.measured, self.simulated)
        measured, simulated = (side.fits.get(gpu, {}).get("verdict") if side else None for side in sides)
        return measured, simulated

    def fields(self, gpus: Sequence[Gpu]) -> dict[str, Value]:
        """The row as it stands in a file: name of a column -> value."""
        case, environment = self.measured.case, self.measured.environment
        values: dict[str, Value] = {
            "card": environment.get("device"),
            "task": case.task,
            "method": case.method,
            "backbone": case.backbone,
            "batch_size": case.batch_size,
            "image_size": "x".join(map(str, case.image_size)),
            "precision": case.precision,
            "status": self.measured.status,
        }
        for quantity in ("allocated", "reserved"):
            measured, simulated = self.bytes_of(quantity)
            values[f"measured_{quantity}_bytes"] = measured
            values[f"simulated_{quantity}_bytes"] = simulated
            values[f"simulated_{quantity}_most_bytes"] = _most(self.simulated, quantity)
            values[f"{quantity}_error_percent"] = _rounded(self.error_percent(quantity))
        measured_ms, predicted_ms = self.step_ms
        values["nvml_process_bytes"] = ((self.measured.memory or {}).get("nvml") or {}).get("process_bytes")
        values["measured_step_ms"], values["predicted_step_ms"] = measured_ms, _rounded(predicted_ms)
        values["step_error_percent"] = _rounded(self.error_percent("step"))
        for gpu in gpus:
            values[f"{gpu.name}_measured"], values[f"{gpu.name}_simulated"] = self.verdicts(gpu.name)
        for name in ("driver", "torch", "cuda", "git_commit", "in_use"):
            values[name] = environment.get(name)
        return {**values, "measured_at": self.measured.created_at, "message": self.measured.message}


def rows_of(folder: Folder) -> list[Row]:
    """A row for each measured case, in the order in which they were first measured."""
    return [Row(result, _ok(folder.simulated.get(simulated_case(case)))) for case, result in folder.measured.items()]


def of_rows(rows: Sequence[Row], figure: Callable[[Row], float | None]) -> list[tuple[float, Row]]:
    """The rows that have a figure, with it, from the smallest absolute value to the largest."""
    found = [(value, row) for row in rows if (value := figure(row)) is not None]
    return sorted(found, key=lambda pair: abs(pair[0]))


def _ok(result: Result | None) -> Result | None:
    return result if result is not None and result.status == "ok" else None


def _peak(result: Result | None, quantity: str) -> int | None:
    memory: Mapping[str, Any] = (result.memory if result else None) or {}
    return memory.get(f"peak_{quantity}_bytes")


def _most(result: Result | None, quantity: str) -> int | None:
    """The peak with all workspaces that convolutions may take."""
    memory: Mapping[str, Any] = (result.memory if result else None) or {}
    return (memory.get(f"peak_{quantity}_interval_bytes") or (None, None))[1]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
