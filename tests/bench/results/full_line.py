"""A result line that has every field, and what the tests do with it."""

import json
from collections.abc import Iterator
from typing import Any

from bench import Case, Result

MIB = 1 << 20
PEAKS = {"peak_allocated_bytes": 3 * MIB, "peak_active_bytes": 3 * MIB, "peak_reserved_bytes": 4 * MIB}
SPREAD = {"median": 2.0, "p10": 1.5, "p90": 2.5}
SAMPLES = {**SPREAD, "samples": [1.5, 2.0, 2.5]}
FULLEST = Result(
    case=Case(task="coco", method="e3va", engine="cuda", batches=12),
    status="oom",
    environment={
        "device": "a card", "driver": None, "git_dirty": True, "in_use": None,
        "kernels": {"matmul_tf32": False, "libraries": {"NVIDIA_TF32_OVERRIDE": "0"}, "numbers": [1, 2.5]},
    },
    message='too much; "quoted" \u00e9 \U0001f600',
    failure={"kind": "out_of_memory", "phase": "backward", "detail": "Traceback ..."},
    params={"trainable_backbone": 0, "trainable_total": 10**7, "total": 2 * 10**8},
    cost={
        "stored_bytes": 17, "backbone_stored_bytes": 16, "saved_bytes": 2**60, "backbone_saved_bytes": 0,
        "forward_flops": 10**13, "backward_flops": 2 * 10**19, "backbone_forward_flops": 3,
        "backbone_backward_flops": 0,
    },
    memory={
        **PEAKS, "peak_phase": "between steps", "at_peak": {"parameters": 5, "other": 2**60}, "alloc_retries": 1,
        "phase_peaks": {"forward": 1, "backward": 2}, "first_step": PEAKS, "ooms": 1,
        "nvml": {"process_bytes": None, "device_bytes": 7},
        "peak_allocated_interval_bytes": [0, 3 * MIB], "peak_reserved_interval_bytes": [4 * MIB, 2**60],
        "worst_batch": {"index": 3, "image_size": [608, 928], "gt_boxes": 7},
    },
    time={
        "step_ms": SAMPLES, "forward_ms": 1.0, "backward_ms": 0.5, "optimizer_ms": 0.5,
        "phases_ms": {"forward": SPREAD, "backward": SPREAD, "optimizer": SPREAD}, "inference_ms": SPREAD,
        "relative_to": {
            "method": "full", "ratio": {**SPREAD, "low": 1.75, "high": 2.25}, "inference_ratio": SPREAD,
            "step_ms": SAMPLES,
        },
        "contention": {
            "rounds": 5, "contended_rounds": 2, "timed_rounds": 9, "waited_s": 1.5, "others_percent": 48.5,
            "own_percent": 50.0, "load_1min": 3.25,
        },
    },
    fits={
        "small": {
            "verdict": "oom", "usable_bytes": 9, "peak_reserved_bytes": None, "alloc_retries": None, "how": "implied",
            "phase": "forward",
        },
        "large": {"verdict": "fits", "usable_bytes": 10, "peak_reserved_bytes": 5, "alloc_retries": 0},
    },
    predicted_time={
        "small": {"missing": "no peak"},
        "large": {
            "step_ms": 4.0, "forward_ms": 1.0, "backward_ms": 2.0, "optimizer_ms": 1.0, "launch_bound_ms": 0.0,
            "by_kind_ms": {"linear": 1.5}, "roofline_ms": 1.0, "scaled": True,
        },
    },
)  # fmt: skip
LINE = FULLEST.to_json()
Path = tuple[str | int, ...]


def line_with(path: Path, value: object, of: str = LINE) -> str:
    """The line with another value at a path."""
    line = json.loads(of)
    holder = line
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return json.dumps(line)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Of all that stands in a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, entry in entries:
        yield (*path, step)
        yield from _paths(entry, (*path, step))


PATHS = list(_paths(json.loads(LINE)))


def read(line: str | bytes) -> Result | str:
    """A result, or the sentence that says what is wrong; whatever else is raised fails the test."""
    try:
        result = Result.from_json(line)
    except ValueError as error:
        said = str(error)
        assert said and len(said) < 600 and "\n" not in said
        return said
    assert Result.from_json(result.to_json()) == result
    return result
