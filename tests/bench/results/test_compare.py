from collections.abc import Mapping
from dataclasses import replace

import pytest

from bench import Case, Result
from bench.results.compare import Change, compare
from bench.results.compare_metrics import METRICS, Tolerance

FULL, FIXED = (Case(task="voc", method=method, engine="cpu") for method in ("full", "fixed"))
MIB = 1 << 20


def _result(
    case: Case = FULL,
    allocated: int = 100,
    reserved: int = 120,
    step_ms: float | None = 50.0,
    status: str = "ok",
    verdict: str = "fits",
    trained: int = 7,
    device: str = "one",
    memory: Mapping[str, object] | None = None,
) -> Result:
    return Result(
        case=case,
        status=status,
        environment={"device": device, "torch": "2.11.0"},
        params={"trainable_backbone": trained},
        memory={"peak_allocated_bytes": allocated * MIB, "peak_reserved_bytes": reserved * MIB, **(memory or {})},
        time=None if step_ms is None else {"step_ms": {"median": step_ms}},
        fits={"p100-16gb": {"verdict": verdict}},
    )


def _changes(before: Result, after: Result, **options: object) -> dict[str, Change]:
    return {change.metric: change for change in compare([before], [after], **options).changes}


def _outcomes(before: Result, after: Result, **options: object) -> dict[str, str]:
    """What did not stay the same."""
    changes = _changes(before, after, **options)
    return {metric: change.outcome for metric, change in changes.items() if change.outcome != "same"}


@pytest.mark.parametrize(
    ("after", "outcomes"),
    [
        ({}, {}),
        ({"allocated": 101}, {}),  # exactly the tolerance
        ({"allocated": 102}, {"allocated": "worse"}),
        ({"reserved": 130}, {"reserved": "worse"}),
        ({"reserved": 60}, {"reserved": "better"}),
        ({"step_ms": 62.0}, {}),
        ({"step_ms": 63.0}, {"step": "worse"}),
        ({"step_ms": None}, {"step": "worse"}),
        ({"trained": 8}, {"trained": "changed"}),
        ({"verdict": "oom"}, {"verdict p100-16gb": "worse"}),
        ({"verdict": "fits_with_retries"}, {"verdict p100-16gb": "worse"}),
    ],
)
def test_growth_beyond_the_tolerance_is_worse(after: dict, outcomes: dict[str, str]) -> None:
    assert _outcomes(_result(), _result(**after)) == outcomes


def test_what_comes_to_fit_is_better() -> None:
    assert _outcomes(_result(verdict="oom"), _result()) == {"verdict p100-16gb": "better"}


def test_figures_of_a_gpu_are_compared_where_one_has_them() -> None:
    def gpu(active: int, first: int, nvml: int | None) -> Mapping[str, object]:
        first_step = {"peak_allocated_bytes": first, "peak_active_bytes": first, "peak_reserved_bytes": first}
        nvml_fields = {"process_bytes": nvml, "device_bytes": None}
        return {"peak_active_bytes": active, "first_step": first_step, "nvml": nvml_fields}

    outcomes = _outcomes(_result(memory=gpu(100, 200, 300)), _result(memory=gpu(102, 204, 306)))
    assert outcomes == dict.fromkeys(("active", "first_step", "nvml"), "worse")
    both, without = _result(memory=gpu(100, 200, 300)), _result(memory=gpu(100, 200, None))
    assert _outcomes(both, without) == {"nvml": "worse"}
    assert _outcomes(without, both) == {"nvml": "new"}
    assert "nvml" not in _changes(without, without)


def test_tolerances_are_per_figure() -> None:
    after = _result(allocated=105, reserved=130, step_ms=51.0, trained=8)
    assert _outcomes(_result(), after, tolerance=Tolerance(6.0, 1.0)) == {
        "trained": "changed",
        "reserved": "worse",
        "step": "worse",
    }
    single = Tolerance(by_metric={"reserved": 10.0, "trained": 0.0})
    assert _outcomes(_result(), after, tolerance=single) == {"trained": "worse", "allocated": "worse"}
    with pytest.raises(ValueError, match="unknown metric 'speed': choose from trained, allocated"):
        Tolerance(by_metric={"speed": 1.0})


def test_growth_from_nothing() -> None:
    none, some = (_result(trained=trained) for trained in (0, 1))
    assert _outcomes(none, none) == {}
    assert _outcomes(none, some, tolerance=Tolerance(by_metric={"trained": 900.0})) == {"trained": "worse"}


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [("ok", "oom", "worse"), ("ok", "error", "worse"), ("oom", "error", "worse"), ("oom", "ok", "better")],
)
def test_a_worse_status_is_worse(before: str, after: str, outcome: str) -> None:
    assert _outcomes(_result(status=before), _result(status=after, allocated=900)) == {"status": outcome}


def test_cases_of_one_file_alone_are_named() -> None:
    found = compare([_result(), _result(FIXED)], [_result()])
    assert [(change.case, change.outcome) for change in found.changes if change.metric == "case"] == [
        (FIXED, "missing")
    ]
    assert not found.worse
    assert compare([_result(), _result(FIXED)], [_result()], require_all=True).worse
    found = compare([_result()], [_result(), _result(FIXED)], require_all=True)
    assert [change.outcome for change in found.changes if change.case == FIXED] == ["new"]
    assert not found.worse
    with pytest.raises(ValueError, match="no case in common"):
        compare([_result(FIXED)], [_result()])


def test_times_of_different_devices_are_not_gated() -> None:
    found = compare([_result()], [_result(step_ms=90.0, allocated=110, device="two")])
    assert {change.metric: change.outcome for change in found.changes if change.outcome != "same"} == {
        "allocated": "worse",
        "step": "not gated",
    }
    assert found.environment == {"device": ("one", "two")}
    assert found.notes[0] == "device differs: one before, two after"
    assert "--time-relative-to" in found.notes[1]


def test_times_as_a_ratio_survive_a_slower_machine() -> None:
    before = [_result(FULL, step_ms=100.0), _result(FIXED, step_ms=40.0)]
    slower = [_result(case, step_ms=ms, device="two") for case, ms in ((FULL, 300.0), (FIXED, 120.0))]
    found = compare(before, slower, time_relative_to="full")
    (ratio,) = [change for change in found.changes if change.metric == "step / full"]
    assert (ratio.case, ratio.before, ratio.after, ratio.outcome) == (FIXED, 0.4, 0.4, "same")
    assert not found.worse
    worse = [slower[0], _result(FIXED, step_ms=160.0, device="two")]  # 0.4 of Full before, 0.533 now
    assert compare(before, worse, time_relative_to="full").worse
    assert not compare(before, worse, Tolerance(by_metric={"step": 34.0}), time_relative_to="full").worse
    with pytest.raises(ValueError, match="no case has times in both files, of itself and of bitfit"):
        compare(before, slower, time_relative_to="bitfit")
    with pytest.raises(ValueError, match="unknown method 'vpt'"):
        compare(before, slower, time_relative_to="vpt")


def test_metrics_read_a_line_as_engines_write_it() -> None:
    """A path that no result has would never be compared."""
    from bench.engines.timing.timings import Timings

    time = Timings({"forward": [1.0], "backward": [2.0], "optimizer": [3.0]}, [0.5]).as_fields()
    result = Result(case=FULL, status="ok", environment={}, time=time, params={"trainable_backbone": 5})
    read = {metric.name: metric.of(result) for metric in METRICS if metric.kind != "memory"}
    assert read == {"trained": 5, "step": 6.0, "forward": 1.0, "backward": 2.0, "optimizer": 3.0, "inference": 0.5}


def test_ratios_that_an_engine_took_in_turns_need_no_full_in_the_file() -> None:
    def timed(ratio: float, step_ms: float) -> Result:
        time = {"step_ms": {"median": step_ms}, "relative_to": {"method": "full", "ratio": {"median": ratio}}}
        return replace(_result(FIXED, device=str(step_ms)), time=time)

    found = compare([timed(0.4, 40.0)], [timed(0.44, 120.0)], time_relative_to="full")
    (ratio,) = [change for change in found.changes if change.metric == "step / full"]
    assert (ratio.before, ratio.after, ratio.outcome) == (0.4, 0.44, "same")
    assert compare([timed(0.4, 40.0)], [timed(0.6, 40.0)], time_relative_to="full").worse


def test_settings_of_kernels_are_part_of_the_environment() -> None:
    def under(**kernels: object) -> Result:
        return replace(_result(), environment={"kernels": kernels, "code_hash": str(kernels)})

    found = compare([under(matmul_tf32=False)], [under(matmul_tf32=True)])
    assert found.environment == {"kernels.matmul_tf32": ("False", "True")}


FIGURES = {
    "trained": {"params": None}, "allocated": {"memory": {"peak_reserved_bytes": 120 * MIB}}, "step": {"time": {}},
}  # fmt: skip


@pytest.mark.parametrize("metric", FIGURES)
def test_a_figure_that_is_lost_is_worse_and_one_that_is_found_is_new(metric: str) -> None:
    whole, lacking = _result(), replace(_result(), **FIGURES[metric])
    assert _outcomes(whole, lacking) == {metric: "worse"}
    assert _outcomes(lacking, whole) == {metric: "new"}
    assert metric not in _changes(lacking, lacking)
    lost, found = _changes(whole, lacking)[metric], _changes(lacking, whole)[metric]
    assert (lost.before, lost.after, lost.percent) == (found.after, None, None) and lost.before is not None
    assert compare([whole], [lacking]).worse and not compare([lacking], [whole]).worse


def test_a_lost_time_is_worse_on_any_device() -> None:
    assert _outcomes(_result(), _result(step_ms=None, device="two")) == {"step": "worse"}


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_a_figure_that_is_not_finite_is_worse_on_either_side(figure: float) -> None:
    sane, absent = _result(), _result(step_ms=None)
    for before, after in ((sane, figure), (figure, sane), (figure, figure), (absent, figure), (figure, absent)):
        sides = [side if isinstance(side, Result) else _result(step_ms=side) for side in (before, after)]
        assert _outcomes(*sides) == {"step": "worse"}
        assert compare(*([side] for side in sides), Tolerance(time_percent=1e6)).worse


def test_a_gpu_class_that_is_no_longer_judged_is_worse() -> None:
    judged, unjudged = _result(), replace(_result(), fits={})
    assert _outcomes(judged, unjudged) == {"verdict p100-16gb": "worse"}
    assert _outcomes(unjudged, judged) == {"verdict p100-16gb": "new"}
    change = _changes(judged, unjudged)["verdict p100-16gb"]
    assert (change.before, change.after) == ("fits", None)
    assert _outcomes(judged, replace(judged, fits={"p100-16gb": {}})) == {"verdict p100-16gb": "worse"}


def test_a_ratio_that_one_side_cannot_take_is_lost() -> None:
    both = [_result(FULL, step_ms=100.0), _result(FIXED, step_ms=40.0)]
    timeless = [_result(FULL, step_ms=None), _result(FIXED, step_ms=40.0)]
    third = [_result(replace(case, task="ade20k", image_size=(512, 512), gt_boxes=0)) for case in (FULL, FIXED)]

    def ratios(before: list[Result], after: list[Result]) -> list[tuple]:
        found = compare([*before, *third], [*after, *third], time_relative_to="full")
        ratios = (change for change in found.changes if change.case == FIXED and change.metric == "step / full")
        return [(change.before, change.after, change.outcome) for change in ratios]

    assert ratios(both, both) == [(0.4, 0.4, "same")]
    assert ratios(both, timeless) == [(0.4, None, "worse")]
    assert ratios(timeless, both) == [(None, 0.4, "new")]
    assert ratios(timeless, timeless) == []


def test_ratios_taken_in_other_ways_are_not_compared() -> None:
    in_turns = {"step_ms": {"median": 40.0}, "relative_to": {"method": "full", "ratio": {"median": 0.1}}}
    before = [_result(FULL, step_ms=None), replace(_result(FIXED), time=in_turns)]
    after = [_result(FULL, step_ms=100.0), _result(FIXED, step_ms=40.0)]
    third = [_result(replace(case, seed=1)) for case in (FULL, FIXED)]
    found = compare([*before, *third], [*after, *third], time_relative_to="full")
    (step,) = [change for change in found.changes if change.case == FIXED and change.kind in ("time", "ratio")]
    assert (step.metric, step.before, step.after, step.outcome) == ("step", 40.0, 40.0, "same")
