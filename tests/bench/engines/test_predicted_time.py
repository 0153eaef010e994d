"""Times of the paper's own cases, predicted for its cards."""

import pandas as pd
import pytest

from bench import Case, measure
from bench.cases.methods import PAPER_METHODS, as_published
from drystep.gpus.classes import select_gpus
from reports.records import method_key, published

CARDS = [gpu.name for gpu in select_gpus()]
SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (128, 192), "engine": "simulate"}


def test_a_result_has_a_time_for_each_card_apart_from_measured_ones() -> None:
    result = measure(Case(method="full", **SMALL), gpus=CARDS)
    assert result.time is None
    assert list(result.predicted_time) == CARDS
    for time in result.predicted_time.values():
        assert time["step_ms"] == pytest.approx(time["forward_ms"] + time["backward_ms"] + time["optimizer_ms"])
        assert time["step_ms"] == pytest.approx(sum(time["by_kind_ms"].values()) + time["launch_bound_ms"])
        assert 0 < time["roofline_ms"] < time["step_ms"]


def test_a_precision_that_a_card_lacks_is_said() -> None:
    predicted = measure(Case(method="full", precision="amp-bf16", **SMALL), gpus=CARDS).predicted_time
    assert predicted["v100-32gb"]["missing"].startswith("v100-32gb has no bf16_tflops")
    assert predicted["rtx-3090-24gb"]["scaled"]


def test_what_does_less_takes_less() -> None:
    ms = {
        method: measure(Case(task="ade20k", method=method, backbone="swin_tiny", engine="simulate"), gpus=["v100-32gb"])
        .predicted_time["v100-32gb"]["step_ms"]
        for method in ("fixed", "e3va", "bitfit", "full")
    }  # fmt: skip
    assert ms["fixed"] < ms["e3va"] < ms["bitfit"] < ms["full"]


@pytest.mark.nightly
@pytest.mark.parametrize("task", ["voc", "ade20k", "coco"])
def test_methods_rank_as_in_the_papers_table_3(task: str) -> None:
    """Rank correlation of the paper's 12 rows, for a V100, each in the form that the paper measured."""
    paper = published("table3_training_time").set_index("key")[f"{task}_pct_full"]
    ms = {
        method_key(name): measure(Case(task=task, method=as_published(name), engine="simulate"), gpus=["v100-32gb"])
        .predicted_time["v100-32gb"]["step_ms"]
        for name in PAPER_METHODS
    }  # fmt: skip
    both = pd.DataFrame({"ours": pd.Series(ms), "paper": paper}).rank()
    assert len(both.dropna()) == 12
    assert both["ours"].corr(both["paper"]) >= 0.9
