from pathlib import Path

import pytest
from matplotlib import image

from reports.plots.timeline import phase_spans, timeline_plot

GIB = 1 << 30


def _timeline(failed_request_bytes: int | None = None) -> dict:
    phases = ["forward"] * 3 + ["backward"] * 2 + ["optimizer"]
    return {
        "peak": {
            "operator": 12, "allocated_bytes": 3 * GIB, "reserved_bytes": 4 * GIB,
            "name": "mm.default", "phase": "forward", "module": "backbone.stages." + "very_long." * 9 + "qkv",
        },
        "failed_request_bytes": failed_request_bytes,
        "by_module": [
            {"module": "a", "total_bytes": 2 * GIB, "by_category": {"activations": GIB, "parameters": GIB}},
            {"module": "", "total_bytes": GIB, "by_category": {"inputs": GIB}},
        ],
        "by_operator": {"mm.default": 3 * GIB},
        "moments": {
            "operator": [10, 12, 15],
            "allocated_bytes": [GIB, 3 * GIB, GIB],
            "reserved_bytes": [2 * GIB, 4 * GIB, 4 * GIB],
        },
        "operators": [{"index": 10 + i, "name": "op", "phase": p, "module": ""} for i, p in enumerate(phases)],
    }  # fmt: skip


def test_phases_become_spans() -> None:
    assert phase_spans(_timeline()["operators"]) == [
        ("forward", 10, 13), ("backward", 13, 15), ("optimizer", 15, 16),
    ]  # fmt: skip


@pytest.mark.parametrize("failed_request_bytes", [None, GIB])
def test_a_picture_of_it(tmp_path: Path, failed_request_bytes: int | None) -> None:
    path = tmp_path / "timeline.png"
    timeline_plot(_timeline(failed_request_bytes), path, "a case", {"near": 5 * GIB, "far": 80 * GIB})
    pixels = image.imread(path)
    assert pixels.shape[0] > 500 and pixels.shape[1] > 500
    assert pixels.std() > 0.05  # something is drawn
