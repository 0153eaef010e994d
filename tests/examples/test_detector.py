"""The detector of the README needs no statement, and takes them."""

import importlib.util
from pathlib import Path

from drystep import Oracles, Share, simulate

FILE = Path(__file__).parents[2] / "examples" / "detector.py"


def _build_step():
    spec = importlib.util.spec_from_file_location("detector_example", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_step


def test_the_detector_runs_without_statements_and_with_those_of_the_readme() -> None:
    build_step = _build_step()
    assumed = simulate(build_step)
    assert assumed.warnings == ()
    assert {read.kind for read in assumed.assumptions} == {"known", "assumed"}
    by_name = {"nms": Share(0.5), "select_training_samples": 512, "RoIHeads.forward": 128}
    stated = simulate(build_step, oracles=Oracles(rows=2000, item=0, by_name=by_name))
    assert stated.warnings == ()
    assert "assumed" not in {read.kind for read in stated.assumptions if not read.note}
    sizes = {allocation.requested_bytes for allocation in stated.trace.allocations}
    assert 2 * 128 * 256 * 14 * 14 * 4 in sizes  # regions of both images whose masks are trained
    assert stated.peak_allocated_bytes < assumed.peak_allocated_bytes
