"""Faults injected into real child processes: each is told as what it was."""

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from bench import Case
from bench.engines.settings import Settings
from bench.launchers.run import run
from bench.results.provenance import CHECKOUT
from drystep.errors import LONGEST_MESSAGE
from drystep.measure.failure import DETAIL_CHARACTERS, ChildError, describe_exit
from drystep.measure.parent import Child

FAULTY = "tests.drystep.measure.faulty:Faulty"
LIMIT_S = 120


def test_a_session_answers_and_what_it_prints_stays_away() -> None:
    with Child(FAULTY, {}, LIMIT_S) as child:
        assert child.call("echo", value=[1, "two", None]) == [1, "two", None]
        assert child.call("pid") not in (child.process.pid, os.getpid())


def test_a_child_imports_ours_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that happens to be the working directory, with modules of any name, is not on its path."""
    for name in ("json.py", "torch.py", "drystep.py", "bench.py"):
        (tmp_path / name).write_text("raise RuntimeError('not ours')\n")
    monkeypatch.chdir(tmp_path)
    with Child(FAULTY, {}, LIMIT_S, folders=[CHECKOUT]) as child:
        file, *path = child.call("path")
    assert Path(file).is_relative_to(CHECKOUT)
    assert not {"", ".", str(tmp_path)} & set(path)


@pytest.mark.parametrize(
    ("fault", "kind", "message", "phase"),
    [
        ("segfault", "signal", "the process was killed by SIGSEGV (backward phase)", "backward"),
        ("kill", "signal", "the process was killed by SIGKILL (the system does so", "opening"),
        ("leave", "exit", "the process exited with status 3 in the middle of its work (opening)", "opening"),
        ("exit_politely", "exception", "SystemExit: 3 (opening)", "opening"),
        ("raise_error", "exception", "KeyError: 'no such thing' (opening)", "opening"),
        ("raise_unpicklable", "exception", "UnpicklableError: (its message cannot be shown) (opening)", "opening"),
        ("return_unserialisable", "exception", "TypeError: Object of type object is not JSON", "opening"),
        ("cuda_out_of_memory", "out_of_memory", "Tried to allocate 2.00 GiB. (optimizer phase)", "optimizer"),
        ("host_out_of_memory", "out_of_memory", "can't allocate memory", "opening"),
        ("cuda_error", "cuda_error", "RuntimeError: CUDA error: an illegal memory access", "opening"),
    ],
)
def test_faults_are_told_as_what_they_were(fault: str, kind: str, message: str, phase: str) -> None:
    with Child(FAULTY, {}, LIMIT_S) as child:
        with pytest.raises(ChildError) as told:
            child.call(fault)
        failure = told.value.failure
        assert (failure.kind, failure.phase) == (kind, phase)
        assert message in failure.message
        assert "\n" not in failure.message
        if kind not in ("signal", "exit"):
            assert failure.so_far == {"memory": {"peak_allocated_bytes": 7}}
            assert "Traceback" in failure.detail
        with pytest.raises(ChildError) as again:  # a broken process is never asked again
            child.call("pid")
        assert again.value.failure == failure
    assert not psutil.pid_exists(child.process.pid)


def test_a_fault_in_native_code_names_the_line_of_python() -> None:
    with Child(FAULTY, {}, LIMIT_S) as child, pytest.raises(ChildError) as told:
        child.call("segfault")
    assert "Segmentation fault" in told.value.failure.detail and "faulty.py" in told.value.failure.detail


def test_what_hangs_is_stopped_at_its_limit() -> None:
    with Child(FAULTY, {}, LIMIT_S) as child:
        child.call("pid")
        child.left_s = 0.5
        start = time.monotonic()
        with pytest.raises(ChildError, match="stopped at its time limit") as told:
            child.call("hang")
        assert time.monotonic() - start < 5
    assert (told.value.failure.kind, told.value.failure.phase) == ("timeout", "forward")
    assert not psutil.pid_exists(child.process.pid)


GONE_S = 2


def _wait_until_gone(pids: Sequence[int]) -> None:
    end = time.monotonic() + GONE_S
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "doing"),
    [
        (signal.SIGKILL, "hold_the_interpreter"),
        (signal.SIGTERM, "hang"),
        pytest.param(signal.SIGKILL, "hang", marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, "hold_the_interpreter", marks=pytest.mark.nightly),
        pytest.param(signal.SIGHUP, "hold_the_interpreter", marks=pytest.mark.nightly),
    ],
)
def test_nothing_outlives_the_parent(number: int, doing: str) -> None:
    code = (
        f"from drystep.measure.parent import Child\nchild = Child({FAULTY!r}, {{}}, 60)\n"
        "print(child.process.pid, child.call('pid'), *child.call('start_others'), flush=True)\n"
        f"child.call({doing!r})\n"
    )
    command = [sys.executable, "-c", code]
    heed = functools.partial(signal.signal, number, signal.SIG_DFL) if number != signal.SIGKILL else None
    # What `nohup` starts ignores SIGHUP, and so does what that starts.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed) as parent:
        orphans = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(orphans) == 4 and all(map(psutil.pid_exists, orphans))
        parent.send_signal(number)
    _wait_until_gone(orphans)


@pytest.mark.parametrize("fault", ["kill", "leave", "segfault"])
def test_a_child_that_dies_is_told_at_once_and_leaves_nobody(fault: str) -> None:
    """Those it started hold its streams open, so that their end tells nothing."""
    with Child(FAULTY, {}, LIMIT_S) as child:
        others = child.call("start_others")
        start = time.monotonic()
        with pytest.raises(ChildError, match="SIGKILL|SIGSEGV|status 3"):
            child.call(fault)
        assert time.monotonic() - start < GONE_S
        _wait_until_gone(others)


def test_closing_ends_all_that_it_started() -> None:
    with Child(FAULTY, {}, LIMIT_S) as child:
        pids = [child.process.pid, child.call("pid"), *child.call("start_others")]
    _wait_until_gone(pids)


def test_what_it_started_ends_with_it_when_its_guard_is_killed() -> None:
    with Child(FAULTY, {}, LIMIT_S) as child:
        pid = child.call("pid")
        child.process.kill()
        _wait_until_gone([pid])


def test_output_without_end_is_read_and_its_end_kept() -> None:
    before = psutil.Process().memory_info().rss
    with Child(FAULTY, {}, LIMIT_S) as child, pytest.raises(ChildError, match="exited with status 4") as told:
        child.call("write_without_end", mebibytes=600)
    assert psutil.Process().memory_info().rss - before < 50 << 20
    assert told.value.failure.detail == "x" * (DETAIL_CHARACTERS - 7) + "the end"


def test_a_long_message_is_cut() -> None:
    with Child(FAULTY, {}, LIMIT_S) as child, pytest.raises(ChildError) as told:
        child.call("raise_a_long_message")
    failure = told.value.failure
    assert failure.message == f"ValueError: {'y' * LONGEST_MESSAGE}... (50,000,000 characters) (opening)"
    assert 0 < len(failure.detail) <= DETAIL_CHARACTERS


def test_a_grid_goes_on_whatever_its_cases_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engines.cpu.SESSION", "tests.drystep.measure.faulty:CpuFaulty")
    small = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "cpu"}
    cases = [Case(method="fixed", seed=seed, **small) for seed in (1, 3, 5, 0)]
    results = list(run(cases, [], Settings(steps=2)))
    assert [result.case for result in results] == cases
    kinds = [result.failure and result.failure["kind"] for result in results]
    assert kinds == ["signal", "exception", "out_of_memory", None]
    assert results[-1].time["step_ms"]["samples"] == [4.0, 4.0]


def test_exit_statuses_without_a_name() -> None:
    assert describe_exit(-200) == ("signal", "the process was killed by signal 200")
