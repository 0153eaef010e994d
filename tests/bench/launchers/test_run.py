from dataclasses import replace
from pathlib import Path

import pytest

from bench import Case, measure
from bench.engines.settings import Settings
from bench.launchers.run import resume, run, run_into
from bench.results.store import append_result, read_results
from drystep.gpus.classes import select_gpus

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
    resumed = resume(CASES, select_gpus(), out, rerun=False, settings=Settings())
    assert (resumed.missing, resumed.stale) == ([], [])
    assert [result.case for result in resumed.stored] == CASES
    assert resume(CASES, select_gpus(), out, rerun=True, settings=Settings()).missing == CASES


def test_what_was_measured_otherwise_is_stale(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    (result,) = run_into(out, CASES[:1], select_gpus())
    changes = [
        ({"torch": "1.0"}, "1 stale: measured with torch 1.0, here is 2"),
        ({"code_hash": "0"}, "1 stale: measured with other code"),
    ]
    for change, reason in changes:
        append_result(out, replace(result, environment={**result.environment, **change}))
        resumed = resume(CASES[:1], select_gpus(), out, rerun=False, settings=Settings())
        assert resumed.missing == CASES[:1]
        (said,) = resumed.stale
        assert said.startswith(reason)
    append_result(out, result)
    smaller = [replace(gpu, context_mib=gpu.context_mib + 1) for gpu in select_gpus()]
    (said,) = resume(CASES[:1], smaller, out, rerun=False, settings=Settings()).stale
    assert "gtx-1080ti-11gb had 11184111616 usable bytes, now 11183063040" in said
    unjudged = [replace(gpu, name="another") for gpu in select_gpus()[:1]]
    resumed = resume(CASES[:1], unjudged, out, rerun=False, settings=Settings())
    assert (resumed.missing, resumed.stale) == (CASES[:1], [])


def test_cuda_needs_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device"):
        measure(Case(engine="cuda", method="full", **SMALL))
