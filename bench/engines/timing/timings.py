"""Step times: samples of each phase and of inference, their spread, and the ratio to a reference timed in turns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from bench.engines.timing.median_interval import median_interval
from drystep.measure.phases import PhaseTimes, StepPhase


@dataclass
class Timings:
    """Milliseconds of each phase and of an inference, one entry per timed step."""

    phases: dict[StepPhase, list[float]] = field(
        default_factory=lambda: {"forward": [], "backward": [], "optimizer": []}
    )

    inference_ms: list[float] = field(default_factory=list)
    """Inference of the backbone alone (`TrainingStep.infer`)."""

    def add(self, step: PhaseTimes, inference_ms: float) -> None:
        """Add one step and the inference after it."""
        for phase, samples_ms in self.phases.items():
            samples_ms.append(step[phase])
        self.inference_ms.append(inference_ms)

    @property
    def samples_ms(self) -> list[float]:
        """Milliseconds of whole steps."""
        return [sum(parts) for parts in zip(*self.phases.values(), strict=True)]

    def as_fields(self) -> dict[str, Any]:
        """The `time` of a result line: median and spread of the step and, as `phases_ms`, of each phase."""
        spreads = {phase: spread(values) for phase, values in self.phases.items()}
        return {
            "step_ms": {**spread(self.samples_ms), "samples": [round(sample, 3) for sample in self.samples_ms]},
            **{f"{phase}_ms": values["median"] for phase, values in spreads.items()},
            "phases_ms": spreads,
            "inference_ms": spread(self.inference_ms),
        }


def relative_to(method: str, own: Timings, reference: Timings) -> dict[str, Any]:
    """The `relative_to` of a result's `time`: each sample divided by the reference's sample of the same round."""
    return {
        "method": method,
        "ratio": _ratio_fields(own.samples_ms, reference.samples_ms),
        "inference_ratio": _ratio_fields(own.inference_ms, reference.inference_ms),
        "step_ms": reference.as_fields()["step_ms"],
    }


def _ratio_fields(samples: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Spread of the ratios, and from `low` to `high` the interval of their median if they are enough for one."""
    ratios = [mine / other for mine, other in zip(samples, others, strict=True)]
    interval = median_interval(ratios)
    ends = dict(zip(("low", "high"), (round(end, 4) for end in interval), strict=True)) if interval else {}
    return {**spread(ratios), **ends}


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Median and the 10th and 90th percentile."""
    p10, median, p90 = (round(float(value), 4) for value in numpy.percentile(samples, (10, 50, 90)))
    return {"median": median, "p10": p10, "p90": p90}
