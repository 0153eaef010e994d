"""The plan has all that waits for a card, and what is worth most first."""

from bench.cases.methods import PAPER_METHODS, as_published, in_form
from bench.proof.plan import CLASSES, plan
from drystep.gpus.classes import select_gpus

PLAN = plan()
TASKS = ("voc", "ade20k", "coco")


def _of(kind: str) -> list:
    return [item.case for item in PLAN if item.kind == kind]


def test_all_methods_on_three_tasks_and_under_limits() -> None:
    for kind in ("case", "limits"):
        found = {(case.task, case.method) for case in _of(kind) if case.precision == "fp32" and case.batch_size == 2}
        assert found >= {(task, as_published(method)) for task in TASKS for method in PAPER_METHODS}


def test_three_forms_in_two_precisions() -> None:
    found = {(case.method, case.precision) for case in _of("case") if case.task == "voc"}
    forms = [in_form("e3va", form) for form in ("reference", "fused", "recompute")]
    assert found >= {(form, precision) for form in forms for precision in ("fp32", "amp-bf16")}


def test_a_dozen_recordings_the_calibration_and_the_tests() -> None:
    assert len(_of("snapshot")) == 12
    assert len(_of("calibration")) == len(_of("tests")) == 1
    assert len(PLAN) == len({item.title for item in PLAN})
    assert {item.case.engine for item in PLAN if item.case} == {"cuda"}


def test_the_first_minute() -> None:
    """Three methods on VOC, then the peaks of the card, without which no time is predicted."""
    kinds = [item.kind for item in PLAN[:4]]
    assert kinds == ["case", "case", "case", "calibration"]
    assert [item.case.task for item in PLAN[:3]] == ["voc"] * 3


def test_the_classes_are_four_that_grow() -> None:
    usable = [gpu.usable_bytes for gpu in select_gpus(CLASSES)]
    assert len(usable) == 4
    assert usable == sorted(usable)
    assert [name.split("-")[-1] for name in CLASSES] == ["11gb", "16gb", "24gb", "32gb"]
