from pathlib import Path

import pytest

from bench import Case, measure
from bench.gpus import select_gpus
from bench.results import read_results
from bench.runner import resume, run, run_into

SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (64, 64), "batch_size": 1}
CASES = [Case(method=method, engine="simulate", **SMALL) for method in ("full", "fixed", "e3va")]


def test_measure_is_one_call() -> None:
    result = measure(CASES[2], gpus=["p100-16gb"])
    assert result.case == CASES[2]
    assert result.status == "ok"
    assert result.fits.keys() == {"p100-16gb"}
    assert result.params["trainable_backbone"] > 0


def test_a_failing_case_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.engines import simulate

    real = simulate.measure

    def sometimes(case: Case, gpus: object):
        if case.method == "fixed":
            raise ValueError("no luck")
        return real(case, gpus)

    monkeypatch.setattr("bench.engines.simulate.measure", sometimes)
    results = list(run(CASES, select_gpus()))
    assert [(r.status, r.message) for r in results] == [("ok", ""), ("error", "ValueError: no luck"), ("ok", "")]


def test_results_are_stored_one_by_one(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    for number, _ in enumerate(run_into(out, CASES, select_gpus()), start=1):
        assert len(read_results(out).results) == number
    resumed = resume(CASES, select_gpus(), out, rerun=False)
    assert resumed.missing == []
    assert [result.case for result in resumed.stored] == CASES
    assert resume(CASES, select_gpus(), out, rerun=True).missing == CASES


def test_cpu_cases_of_one_workload_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    together = []

    def measured(cases, gpus, steps, say):
        together.append([case.method for case in cases])
        return []

    monkeypatch.setattr("bench.engines.cpu.measure", measured)
    cases = [Case(engine="cpu", method=m, **{**SMALL, "task": t}) for t in ("voc", "ade20k") for m in ("full", "e3va")]
    assert list(run(cases, [])) == []
    assert together == [["full", "e3va"], ["full", "e3va"]]


def test_cuda_needs_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device"):
        measure(Case(engine="cuda", method="full", **SMALL))
