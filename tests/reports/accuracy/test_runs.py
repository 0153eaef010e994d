import math

import pytest

from reports.accuracy.runs import NO_RUNS, runs_of, runs_of_paper


def test_metrics_are_percentages_under_the_papers_names(evaluation) -> None:
    voc, ade, coco = runs_of([evaluation(task, "swin_large", "full") for task in ("voc", "ade20k", "coco")]).to_dict(
        "records"
    )
    assert (voc["AP box"], ade["mIoU"], coco["AP box"], coco["AP mask"]) == (80.0, 50.0, 50.0, 45.0)
    assert math.isnan(voc["AP mask"]) and math.isnan(coco["mIoU"])
    assert (voc["measured_mib"], voc["simulated_mib"], voc["measured_ms"], voc["predicted_ms"]) == (
        2000,
        1900,
        100,
        110,
    )
    assert (voc["train_images"], voc["images"], voc["steps"]) == (16551, 4952, 1000)


@pytest.mark.parametrize("value", [None, "0.9", True, float("nan"), float("inf"), [0.9], {"AP50": 0.9}])
def test_what_is_no_finite_number_is_missing(evaluation, value) -> None:
    run = evaluation(
        "voc", "swin_large", "full", metrics={"AP50": value}, memory=value, time={"measured_step_ms": value}
    )
    (found,) = runs_of([run, evaluation("voc", "swin_large", "full", 1)]).to_dict("records")[:1]
    assert all(math.isnan(found[name]) for name in ("AP box", "measured_mib", "measured_ms", "predicted_ms"))


def test_the_last_evaluation_of_a_run_counts(evaluation) -> None:
    runs = [
        evaluation("voc", "swin_large", "full", metrics={"AP50": value}, created_at=f"2026-01-0{day}T00:00:00+00:00")
        for day, value in ((2, 0.9), (1, 0.1))
    ]
    assert runs_of(runs)["AP box"].tolist() == [90.0]


@pytest.mark.parametrize(
    "other",
    [
        {"made_up": True},
        {"steps": 500},
        {"steps": None, "of_steps": None},
        {"recipe": {"learning_rate": 2e-4}},
        {"precision": "fp32"},
        {"pretrained": ""},
        {"images": {"train": 100, "val": 10}},
    ],
)
def test_one_recipe_alone_stands_beside_the_papers(evaluation, other) -> None:
    """That of most methods; made-up data and unfinished trainings never, even where there is nothing else."""
    usual = [evaluation("voc", "swin_large", method) for method in ("full", "fixed")]
    odd = evaluation("voc", "swin_large", "lora", **other)
    runs = runs_of([odd, *usual, evaluation("voc", "swin_base", "bitfit"), evaluation("coco", "swin_large", "bitfit")])
    assert runs_of_paper(runs, "voc", "swin_large")["method"].tolist() == ["full", "fixed"]
    alone = runs_of_paper(runs_of([odd]), "voc", "swin_large")["method"].tolist()
    assert alone == ([] if other.keys() & {"made_up", "steps"} else ["lora"])


def test_nothing_trained_is_an_empty_table() -> None:
    assert runs_of_paper(NO_RUNS, "voc", "swin_large").empty
