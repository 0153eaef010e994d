from dataclasses import replace

import pytest

from bench import Case, Result
from bench.results.provenance import PACKAGES, describe_environment
from bench.results.staleness import code_staleness, staleness, summarise
from drystep.gpus.classes import Gpu

CASE = Case(task="voc", method="full", engine="cpu")
CARD = Gpu("card", "a card", visible_mib=8192, context_mib=512)
DEVICE = "some CPU, 4 threads"


@pytest.fixture
def result() -> Result:
    """Measured here and now over three steps, and judged on one card."""
    return Result(
        case=CASE,
        status="ok",
        environment=describe_environment("cpu", DEVICE),
        time={"step_ms": {"samples": [1.0, 2.0, 3.0]}},
        fits={"card": {"verdict": "fits", "usable_bytes": (8192 - 512) << 20}},
    )


def _with(result: Result, **environment: object) -> Result:
    return replace(result, environment={**result.environment, **environment})


def test_a_result_of_here_and_now_is_not_stale(result: Result) -> None:
    assert staleness(result, [CARD], 3, DEVICE) == ""
    assert staleness(result, [CARD], 2, DEVICE) == ""  # more steps than asked for


def test_another_device_is_another_result(result: Result) -> None:
    reason = staleness(result, [CARD], 3, "another CPU")
    assert reason == f"measured on {DEVICE}, here is another CPU"
    assert staleness(result, [CARD], 3, device=None) == ""  # where it makes no difference


@pytest.mark.parametrize("package", PACKAGES)
def test_other_versions(result: Result, package: str) -> None:
    here = result.environment[package]
    old = _with(result, **{package: "0.1"})
    assert staleness(old, [CARD], 3, DEVICE) == f"measured with {package} 0.1, here is {here}"
    unsaid = replace(result, environment={k: v for k, v in result.environment.items() if k != package})
    assert code_staleness(unsaid) == f"measured with {package} None, here is {here}"


def test_other_code(result: Result) -> None:
    assert staleness(_with(result, code_hash="0" * 12), [CARD], 3, DEVICE) == "measured with other code"
    assert staleness(_with(result, git_commit="0" * 40, git_dirty=True, python="3.0"), [CARD], 3, DEVICE) == ""


def test_other_allocator_settings(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    older = replace(result, environment={k: v for k, v in result.environment.items() if k != "allocator"})
    assert code_staleness(older) == ""  # results that do not say it had the default
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    assert code_staleness(result) == "simulated with allocator settings default, here are expandable_segments:True"
    measured = replace(result, case=replace(CASE, engine="cuda"), environment=describe_environment("cuda", "a card"))
    assert code_staleness(measured) == ""


def test_other_bytes_of_a_class(result: Result) -> None:
    smaller = replace(CARD, context_mib=600)
    assert staleness(result, [smaller], 3, DEVICE) == (
        f"card had {7680 << 20} usable bytes, now {7592 << 20}"  # 8192 - 512 and 8192 - 600 MiB
    )
    assert staleness(result, [replace(smaller, name="never judged on")], 3, DEVICE) == ""


def test_too_few_steps(result: Result) -> None:
    assert staleness(result, [CARD], 5, DEVICE) == "timed over 3 steps, asked for are 5"
    assert staleness(replace(result, time=None), [CARD], 5, DEVICE) == ""  # an engine that does not time


def test_reasons_are_counted() -> None:
    assert summarise(["other code", "", "few steps", "other code"]) == ["2 stale: other code", "1 stale: few steps"]
