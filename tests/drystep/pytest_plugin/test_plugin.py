"""The plugin in test runs of somebody else's project."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import drystep.pytest_plugin.step_memory  # noqa: F401  # a run in this process must find loaded what cannot be loaded twice
from tests.conftest import INSTALLED, PLUGIN

torch.compiler.list_backends()  # which loads the compiler: PyTorch 2.14 cannot load it twice either

ROOT = Path(__file__).parents[3]
WIDTH = 1024
PARAMETERS = 2 * (WIDTH * WIDTH + WIDTH)
STATE_BYTES = 4 * 4 * PARAMETERS  # fp32 parameters, gradients and AdamW's two moments
TRAIN = f"""
import functools, os
import pytest, torch
from torch import nn

def build_step(device, width=int(os.environ.get("WIDTH", {WIDTH}))):
    model = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    images = torch.empty(4, width, device=device)

    def step():
        optimizer.zero_grad()
        model(images).sum().backward()
        optimizer.step()

    return step
"""
MEASURED = TRAIN + "def test_step(gpu_memory):\n    gpu_memory.measure(build_step)\n"
MIB = 1 << 20


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch):
    """Runs pytest on the text of a test file; GPUs out of sight."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    def run(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_theirs=text)
        plugin = () if INSTALLED else ("-p", PLUGIN)
        return pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider", *arguments)

    return run


def _marked(limit: str, test: str = "return build_step", arguments: str = "") -> str:
    return TRAIN + f"@pytest.mark.limit_gpu_memory({limit})\ndef test_step({arguments}):\n    {test}\n"


@pytest.mark.parametrize(
    ("limit", "passes"),
    [
        ('"1 GiB"', True),
        ('"gtx-1080ti-11gb"', True),
        (str(3 * STATE_BYTES), True),
        (str(STATE_BYTES), False),  # activations and workspaces want more than state
        ('"32 MiB"', False),
    ],
)
def test_a_returned_step_is_held_to_its_limit(project, limit: str, passes: bool) -> None:
    result = project(_marked(limit))
    result.assert_outcomes(passed=int(passes), failed=int(not passes))
    result.stdout.fnmatch_lines(["test_theirs.py::test_step * simulated"])


def test_a_failure_says_what_is_alive_and_when(project) -> None:
    result = project(_marked('"32 MiB"'))
    result.stdout.fnmatch_lines(
        [
            "the training step needs more GPU memory than its limit of 32 MiB (simulated)",
            "  out of memory in backward, at * more asked for, * allocated",
            "  without the limit: * MiB allocated, * MiB reserved",
            "  alive when memory ran out: *parameters (8.0 MiB)*",
            "  most of it in: *",
        ]
    )
    result.stdout.no_fnmatch_line("*Error*")


def test_a_step_that_the_test_measures_itself(project) -> None:
    body = """
    found = gpu_memory.measure(build_step)
    assert (found.how, found.verdict, found.limit.text) == ("simulated", "fits", "1 GiB")
    assert found.at_peak["optimizer_state"] >= 8 * %d
    half = gpu_memory.measure(build_step, name="half", precision="amp-fp16", iterations=1, limit="900 MiB")
    assert half.limit.text == "900 MiB"
    with pytest.raises(ValueError, match="unknown precision 'fp64'"):
        gpu_memory.measure(build_step, name="double", precision="fp64")
    with pytest.raises(ValueError, match="is measured already"):
        gpu_memory.measure(build_step)
    gpu_memory.measure(functools.partial(build_step, width=4096), name="wide")
    """
    result = project(_marked('"1 GiB"', body % PARAMETERS, "gpu_memory"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_step * 1 GiB *", "*::test_step::half * 900 MiB *", "*::test_step::wide *"])


def test_a_marked_test_that_measures_nothing_fails(project) -> None:
    classes = """
import unittest

class TestCase(unittest.TestCase):
    @pytest.mark.limit_gpu_memory("1 GiB")
    def test_method(self):
        pass
"""
    result = project(_marked('"1 GiB"', "pass") + classes)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["limit_gpu_memory: the test measured nothing; return build_step, or call *"])


def test_a_test_that_skips_or_fails_by_itself_says_only_that(project) -> None:
    result = project(
        _marked('"1 GiB"', "pytest.skip('no')") + _marked('"1 GiB"', "assert 1 == 2").replace("_step", "_b")
    )
    result.assert_outcomes(skipped=1, failed=1)
    result.stdout.no_fnmatch_line("*measured nothing*")


def test_a_step_that_cannot_be_simulated_names_its_line(project) -> None:
    result = project(_marked('"1 GiB"', "return lambda device: torch.ones(1, device=device).view(2)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*SimulationError: test_theirs.py:*aten.view.default failed*"])


def test_strict_fails_a_step_whose_figures_may_be_of_another(project) -> None:
    skips = "return lambda device: build_step(device, compiled=True)"
    text = _marked('"1 GiB"', skips).replace("device, width", "device, compiled=False, width", 1)
    text = text.replace(".to(device)\n", ".to(device)\n    model = torch.compile(model) if compiled else model\n", 1)
    project(text).assert_outcomes(passed=1)
    result = project(text.replace('"1 GiB"', '"1 GiB", strict=True'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*SimulationError: the model, or a part of it, is compiled at*"])


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            '"11 floppies"',
            "memory limit '11 floppies' is neither a size, such as *11 GiB*, nor a GPU: unknown GPU *",
        ),
        ("True", "memory limit True is neither a size*"),
        ("-3", "memory limit -3 is neither a size*"),
        ("", "limit_gpu_memory takes one limit, and by name rules, precision, iterations, oracles, strict"),
        ('"1 GiB", speed=3', "limit_gpu_memory takes one limit*"),
    ],
)
def test_a_marker_that_cannot_be_meant_stops_the_run(project, limit: str, said: str) -> None:
    result = project(_marked(limit))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: test_theirs.py::test_step: {said}"])


def test_a_baseline_catches_what_grew_and_says_where(project, monkeypatch, pytester: pytest.Pytester) -> None:
    file = ("--memory-baseline", "memory.json")
    project(MEASURED, *file, "--memory-baseline-update").stdout.fnmatch_lines(["1 peaks recorded in *memory.json"])
    (recorded,) = json.loads((pytester.path / "memory.json").read_text())["tests"].values()
    assert recorded["at_peak"]["parameters"] == 4 * PARAMETERS
    gate = (*file, "--fail-on-increase", "1%")
    same = project(MEASURED, *gate)
    same.assert_outcomes(passed=1)
    same.stdout.fnmatch_lines(["*::test_step * +0.00 %*"])

    wider = WIDTH + 64
    monkeypatch.setenv("WIDTH", str(wider))
    worse = project(MEASURED, *gate)
    worse.assert_outcomes(failed=1)
    grown_mib = 4 * (2 * (wider * wider + wider) - PARAMETERS) / MIB
    worse.stdout.fnmatch_lines(
        [
            "GPU memory grew by more than 1 % (simulated)",
            "  allocated: * -> * MiB (+*), +*.* %",
            "  reserved: *",
            f"  at the peak, optimizer state: * MiB (+{2 * grown_mib:.1f})",
            "  if that is meant, record it with --memory-baseline-update",
        ]
    )
    project(MEASURED, *file).assert_outcomes(passed=1)  # compared, and nothing was asked of it
    project(MEASURED, *file, "--fail-on-increase", "50%").assert_outcomes(passed=1)
    project(MEASURED, *file, "--memory-baseline-update").assert_outcomes(passed=1)
    project(MEASURED, *gate).assert_outcomes(passed=1)


def test_what_the_baseline_lacks_or_knows_otherwise_is_said(project, pytester: pytest.Pytester) -> None:
    file = ("--memory-baseline", "memory.json")
    project(MEASURED, *file, "--memory-baseline-update")
    path = pytester.path / "memory.json"
    stored = json.loads(path.read_text())
    (fields,) = stored["tests"].values()
    gate = (*file, "--fail-on-increase", "1%")
    for changed, said in (
        ({"torch": "1.0"}, "*memory.json was recorded with torch 1.0, this is *: its rules may differ"),
        ({"how": "measured", "device": "Card"}, "*::test_step was measured Card and is now simulated: not compared"),
    ):
        stored["tests"] = {"test_theirs.py::test_step": {**fields, **changed, "peak_allocated_bytes": 1}}
        path.write_text(json.dumps(stored))
        result = project(MEASURED, *gate)
        result.assert_outcomes(**{"failed" if "torch" in changed else "passed": 1})
        result.stdout.fnmatch_lines([said])
    stored["tests"] = {"test_gone.py::test": fields}
    path.write_text(json.dumps(stored))
    result = project(MEASURED, *gate)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["not in *memory.json: *::test_step", "1 of the 1 tests in *memory.json did not run"])
    project(MEASURED, *file, "--memory-baseline-update")
    assert set(json.loads(path.read_text())["tests"]) == {"test_gone.py::test", "test_theirs.py::test_step"}


@pytest.mark.parametrize(
    ("arguments", "content", "said"),
    [
        (["--memory-baseline", "m.json"], None, "no memory baseline *m.json: record one with --memory-baseline-update"),
        (["--memory-baseline", "m.json"], "a,b\n", "*m.json is not a memory baseline: not JSON *"),
        (["--memory-baseline", "m.json"], '{"version": 1}', "*m.json is not a memory baseline: it has no *kind*"),
        (["--memory-baseline", "m.json", "--memory-baseline-update"], "[]", "*m.json is not a memory baseline*"),
        (
            ["--memory-baseline", "m.json"],
            '{"kind": "drystep memory baseline", "schema": 9}',
            "*m.json is a memory baseline of schema 9, not 1: record it anew",
        ),
        (
            ["--memory-baseline", "m.json"],
            '{"kind": "drystep memory baseline", "schema": 1, "tests": {"a": {}}}',
            "*m.json is not a whole memory baseline: *",
        ),
        (["--memory-baseline", "."], None, "cannot read the memory baseline *: Is a directory"),
        (["--fail-on-increase", "1%"], None, "--fail-on-increase and --memory-baseline-update need --memory-baseline*"),
        (["--memory-baseline-update"], None, "--fail-on-increase and --memory-baseline-update need*"),
        (["--memory-baseline", "m", "--fail-on-increase", "lots"], None, "tolerance 'lots' is not a percentage*"),
    ],
)
def test_a_wrong_command_is_one_clear_line(
    project, pytester: pytest.Pytester, arguments: list[str], content: str | None, said: str
) -> None:
    if content is not None:
        (pytester.path / "m.json").write_text(content)
    result = project(MEASURED, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert line.startswith("ERROR: ")
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


def test_a_baseline_that_cannot_be_written(project, pytester: pytest.Pytester) -> None:
    (pytester.path / "file").write_text("")
    result = project(MEASURED, "--memory-baseline", "file/m.json", "--memory-baseline-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cannot write the memory baseline *m.json: *"])


def test_the_plugin_costs_others_nothing() -> None:
    heavy = "torch", "numpy", "typer", "rich", "bench", "baselines", "reports"
    code = f"import sys, drystep.pytest_plugin.plugin; print([name for name in {heavy} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_reports_carry_what_was_measured_through_json() -> None:
    """pytest-xdist sends reports of its workers so."""
    from drystep.pytest_plugin.baseline import Peak
    from drystep.pytest_plugin.gate import MeasuredTest

    peak = Peak("simulated", "", "2.11.0", 1, 2, {"parameters": 1})
    test = MeasuredTest("a", peak, "1 GiB", "fits", False, ("odd",))
    assert MeasuredTest.from_fields(json.loads(json.dumps(test.as_fields()))) == test
