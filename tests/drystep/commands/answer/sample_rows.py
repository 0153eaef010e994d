"""Rows of cards as `drystep fit --json` has them, with figures that are easy to follow."""

from typing import Any

MIB = 1 << 20
GIB = 1 << 30
HOSTILE = "a|b <img src=x onerror=alert(1)> [click](http://x.org) \x1b[2J `code` & _all_"
ADVICE = {
    "name": "half the batch, accumulated",
    "option": "--batch-size 4 --accumulate 2",
    "verdict": "fits",
    "peak_reserved_bytes": 12 * GIB,
    "memory_change": -0.314,
    "time_change": 0.5,
    "makes_it_fit": True,
}


def row(gpu: str = "a", **changes: Any) -> dict[str, Any]:
    """A card with 24 GiB on which a step of 20 GiB reserved takes 250 ms for 8 images."""
    return {
        "gpu": gpu,
        "batch_size": 8,
        "image_size": [512, 768],
        "verdict": "fits",
        "usable_bytes": 24 * GIB,
        "peak_reserved_bytes": 20 * GIB,
        "alloc_retries": 0,
        "headroom_bytes": 4 * GIB,
        "largest_batch": 10,
        "largest_image": [544, 816],
        "largest_image_unknown": "",
        "uncapped": {
            "peak_allocated_bytes": 1000 * MIB,
            "peak_reserved_bytes": 2000 * MIB,
            "peak_allocated_interval_bytes": [1000 * MIB, 1000 * MIB],
            "peak_reserved_interval_bytes": [2000 * MIB, 2000 * MIB],
            "peak_phase": "backward",
            "at_peak": {
                "parameters": 200 * MIB, "gradients": 100 * MIB, "optimizer_state": 0, "activations": 640 * MIB,
                "inputs": 30 * MIB, "workspace": 20 * MIB, "other": 10 * MIB,
            },
        },
        "warnings": [],
        "assumptions": [],
        "assumed_rows": None,
        "ranks": None,
        "step_ms": 250.0,
        "least_ms": 200.0,
        "most_ms": 300.0,
        "coverage": 0.9,
        "rests_on": ["measurements of a lab"],
        "exchange_ms": None,
        "exposed_ms": None,
        "time_unknown": "",
        "throughput": None,
        "advice": [],
        "batches": 1,
    } | changes  # fmt: skip


def too_small(gpu: str = "b", **changes: Any) -> dict[str, Any]:
    """A card on which it does not fit, and whose time is not known."""
    none = dict.fromkeys(("headroom_bytes", "step_ms", "least_ms", "most_ms", "coverage"))
    return row(gpu, verdict="oom", largest_batch=0, largest_image=[0, 0], rests_on=[], **none) | changes
