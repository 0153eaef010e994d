"""What a card does with a step, and the JSON line of it."""

from dataclasses import asdict, dataclass
from typing import Any

from drystep.batches.throughput import Throughput
from drystep.fit.assumed_rows import AssumedRows
from drystep.fit.sizes import Image
from drystep.gpus.classes import Gpu
from drystep.memory.verdict import FITTING
from drystep.simulation import Simulation
from drystep.values.assumptions import Assumption


@dataclass(frozen=True)
class CardFit:
    """What one card does with a step."""

    gpu: Gpu
    simulation: Simulation
    """At the batch as asked."""
    batch_size: int | None
    """As asked, or the step's own default; None when it takes none."""
    largest_batch: int | None
    """Images, or whatever the step counts; 0 when not even one fits, None when it takes no `batch_size`, or when the
    largest was not asked for."""
    image_size: Image | None = None
    """Height and width in pixels, as asked or the step's own default; None when it takes none."""
    largest_image: Image | None = None
    """The largest image of that aspect ratio at that batch size; (0, 0) when not even the smallest fits, None when it
    is not known."""
    largest_image_unknown: str = ""
    """Why it is not known, in a sentence."""
    ranks: int | None = None
    """Processes of DistributedDataParallel for which the time is asked."""
    throughput: Throughput | None = None
    """Images per second, if they were asked for."""
    assumed: AssumedRows | None = None
    """How much the peak hangs on assumed rows; None if none were assumed."""

    @property
    def headroom_bytes(self) -> int | None:
        """Usable bytes left beside the reserved peak; None when the step does not fit for sure."""
        fit = self.simulation.fits[self.gpu.name]
        return fit.usable_bytes - fit.peak_reserved_bytes if fit.verdict in FITTING else None

    def to_fields(self) -> dict[str, Any]:
        """Make the JSON line of this card."""
        simulation = self.simulation
        return {
            "gpu": self.gpu.name,
            "batch_size": self.batch_size,
            **asdict(simulation.fits[self.gpu.name]),
            "headroom_bytes": self.headroom_bytes,
            "largest_batch": self.largest_batch,
            "image_size": None if self.image_size is None else list(self.image_size),
            "largest_image": None if self.largest_image is None else list(self.largest_image),
            "largest_image_unknown": self.largest_image_unknown,
            "uncapped": {
                "peak_allocated_bytes": simulation.peak_allocated_bytes,
                "peak_reserved_bytes": simulation.peak_reserved_bytes,
                "peak_allocated_interval_bytes": simulation.peak_allocated_interval_bytes,
                "peak_reserved_interval_bytes": simulation.peak_reserved_interval_bytes,
                "peak_phase": simulation.peak_phase,
                "at_peak": simulation.at_peak,
            },
            "warnings": list(simulation.warnings),
            "assumptions": [_assumption_fields(read) for read in simulation.assumptions],
            "assumed_rows": None if self.assumed is None else _assumed_fields(self.assumed),
            **self._time_fields(),
            "throughput": self.throughput.to_fields() if self.throughput else None,
        }

    def _time_fields(self) -> dict[str, Any]:
        """The predicted time, among ranks if there are several, or why there is none."""
        fields: dict[str, Any] = {
            "ranks": self.ranks, "step_ms": None, "least_ms": None, "most_ms": None, "coverage": None, "rests_on": [],
            "exchange_ms": None, "exposed_ms": None, "time_unknown": "",
        }  # fmt: skip
        try:
            time = self.simulation.step_time(self.gpu, self.ranks or 1)
        except ValueError as error:
            return {**fields, "time_unknown": str(error)}
        least_ms, most_ms = time.interval_ms
        fields |= {"step_ms": time.step_ms, "least_ms": least_ms, "most_ms": most_ms, "coverage": time.coverage}
        fields["rests_on"] = list(time.rests_on)
        if self.ranks is None:
            return fields
        exchange = time.exchange
        exchange_ms, exposed_ms = (exchange.all_reduce_ms, exchange.exposed_ms) if exchange else (0.0, 0.0)
        return {**fields, "exchange_ms": exchange_ms, "exposed_ms": exposed_ms}


def _assumption_fields(read: Assumption) -> dict[str, Any]:
    fields = {**asdict(read), "said": read.said, "text": str(read)}
    del fields["question"]
    return fields


def _assumed_fields(assumed: AssumedRows) -> dict[str, Any]:
    return {
        "least_bytes": assumed.least_bytes,
        "most_bytes": assumed.most_bytes,
        "hinges": [
            {**_assumption_fields(hinge.assumption), "peak_without_bytes": hinge.peak_without_bytes}
            for hinge in assumed.hinges
        ],
    }
