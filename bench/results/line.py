"""What a result line may hold: the type and range of every field, checked while a line is read.

A field that is not named here is kept out of the result, because later versions may add fields within one schema.
"""

from typing import Annotated, Any, Literal, Required, TypedDict

import msgspec

from drystep.memory.verdict import CardVerdict

MOST_BYTES = 2**60
"""An exbibyte: more than any card or host has."""
MOST_COUNT = 2**60
"""Of parameters, retries and the like: large enough for all, and what every reader of JSON keeps exactly."""
DEEPEST_ENVIRONMENT = 8
"""Levels of objects and lists within `environment`; engines write three."""

Bytes = Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_COUNT)]
Interval = Annotated[list[Bytes], msgspec.Meta(min_length=2, max_length=2)]
"""Least and most."""
Operations = Annotated[float, msgspec.Meta(ge=0)]
"""Of floating point, in one step. They are whole numbers, which may be larger than any count."""
Milliseconds = Annotated[float, msgspec.Meta(ge=0)] | None
"""Null stands for a figure that was not finite when the line was written."""
Seconds = Annotated[float, msgspec.Meta(ge=0)] | None
Percent = Annotated[float, msgspec.Meta(ge=0)] | None
Ratio = Annotated[float, msgspec.Meta(ge=0)] | None


class MethodFields(TypedDict, total=False):
    """`method`: what the registry said of the case's method."""

    label: str
    base: str
    form: str
    variant: str


class FailureFields(TypedDict, total=False):
    """`failure`: of a case that is not "ok"."""

    kind: str
    phase: str
    detail: str


class ParamsFields(TypedDict, total=False):
    """`params`: numbers of parameters."""

    trainable_backbone: Count
    trainable_total: Count
    total: Count


class CostFields(TypedDict, total=False):
    """`cost`: what a task stores, what a step keeps for backward, and floating-point operations of a step."""

    stored_bytes: Bytes
    backbone_stored_bytes: Bytes
    saved_bytes: Bytes
    backbone_saved_bytes: Bytes
    forward_flops: Operations
    backward_flops: Operations
    backbone_forward_flops: Operations
    backbone_backward_flops: Operations


class PeaksFields(TypedDict, total=False):
    """The most that a stretch of time has held."""

    peak_allocated_bytes: Bytes
    peak_active_bytes: Bytes
    peak_reserved_bytes: Bytes


class DriverFields(TypedDict, total=False):
    """`memory.nvml`: what the driver says."""

    process_bytes: Bytes | None
    device_bytes: Bytes | None


class BatchFields(TypedDict, total=False):
    """`memory.worst_batch`: which batch of a run had the peak."""

    index: Count
    image_size: Annotated[list[Count], msgspec.Meta(min_length=2, max_length=2)]
    gt_boxes: Count


class MemoryFields(PeaksFields, total=False):
    """`memory`, of all engines."""

    peak_phase: str
    at_peak: dict[str, Bytes] | None
    peak_allocated_interval_bytes: Interval
    peak_reserved_interval_bytes: Interval
    phase_peaks: dict[str, Bytes]
    first_step: PeaksFields
    alloc_retries: Count
    ooms: Count
    nvml: DriverFields
    worst_batch: BatchFields


class SpreadFields(TypedDict, total=False):
    """Median, 10th and 90th percentile."""

    median: Required[Milliseconds]
    p10: Milliseconds
    p90: Milliseconds


class SamplesFields(SpreadFields, total=False):
    """A spread with what it was taken from."""

    samples: Required[list[Milliseconds]]


class RatioFields(TypedDict, total=False):
    """Spread of the ratios of two times. The interval of their median reaches from `low` to `high`."""

    median: Required[Ratio]
    p10: Ratio
    p90: Ratio
    low: Ratio
    high: Ratio


class RelativeFields(TypedDict, total=False):
    """`time.relative_to`: ratios to a method that was timed in turns."""

    method: Required[str]
    ratio: Required[RatioFields]
    inference_ratio: RatioFields
    step_ms: SamplesFields


class ContentionFields(TypedDict, total=False):
    """`time.contention`: how other processes disturbed steps whose times count. A calm case has none."""

    rounds: Count
    contended_rounds: Required[Count]
    timed_rounds: Count
    waited_s: Seconds
    others_percent: Required[Percent]
    own_percent: Percent
    load_1min: Annotated[float, msgspec.Meta(ge=0)] | None


class TimeFields(TypedDict, total=False):
    """`time`: measured milliseconds."""

    step_ms: Required[SamplesFields]
    forward_ms: Milliseconds
    backward_ms: Milliseconds
    optimizer_ms: Milliseconds
    phases_ms: dict[str, SpreadFields]
    inference_ms: SpreadFields
    relative_to: RelativeFields
    contention: ContentionFields


class FitFields(TypedDict, total=False):
    """One GPU class of `fits`. Peak and retries are null where the verdict follows from another class's."""

    verdict: Required[CardVerdict]
    usable_bytes: Bytes
    peak_reserved_bytes: Bytes | None
    alloc_retries: Count | None
    how: str
    phase: str


class PredictedFields(TypedDict, total=False):
    """One GPU class of `predicted_time`: simulated milliseconds, or what is missing to predict them."""

    missing: str
    step_ms: Milliseconds
    least_ms: Milliseconds
    most_ms: Milliseconds
    coverage: Ratio
    forward_ms: Milliseconds
    backward_ms: Milliseconds
    optimizer_ms: Milliseconds
    launch_bound_ms: Milliseconds
    by_kind_ms: dict[str, Milliseconds]
    roofline_ms: Milliseconds
    scaled: bool


SCALAR: Any = None | bool | Annotated[int, msgspec.Meta(ge=-MOST_COUNT, le=MOST_COUNT)] | float | str


def _json(levels: int) -> Any:
    """The type of free JSON, in which so many levels of objects and lists stand within each other."""
    if not levels:
        return SCALAR
    inner = _json(levels - 1)
    return SCALAR | dict[str, inner] | list[inner]  # type: ignore[valid-type]  # built when it is imported


ENVIRONMENT: Any = dict[str, _json(DEEPEST_ENVIRONMENT - 1)]  # type: ignore[misc]
PARTS: dict[str, Any] = {
    "method": MethodFields,
    "status": Literal["ok", "oom", "error"],
    "message": str,
    "failure": FailureFields | None,
    "params": ParamsFields | None,
    "cost": CostFields | None,
    "memory": MemoryFields | None,
    "time": TimeFields | None,
    "fits": dict[str, FitFields],
    "predicted_time": dict[str, PredictedFields],
    "environment": ENVIRONMENT,
    "created_at": str,
}
"""Part of a line -> its type; `case` is a `Case`."""
REQUIRED_PARTS = ("case", "status", "environment", "created_at")
