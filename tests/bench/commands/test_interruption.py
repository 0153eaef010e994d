"""Signals end a grid at once, with all its processes, and leave the terminal as it was."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.results.provenance import CHECKOUT
from bench.results.store import read_results

GONE_S = 2
TINY = (
    "run", "--task", "voc", "--backbone", "swin_tiny", "--image-size", "64x64", "--batch-size", "1",
    "--engine", "simulate",
)  # fmt: skip
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"


def _start(out: Path, terminal: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *TINY, "--out", str(out)],
        cwd=CHECKOUT,
        env={**os.environ, "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )


def _read(terminal: int) -> bytes:
    """What was written to it until now."""
    os.set_blocking(terminal, False)
    found = b""
    try:
        while chunk := os.read(terminal, 65536):
            found += chunk
    except OSError:
        pass  # nothing more, or nobody writes any more
    return found


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(other, marks=pytest.mark.nightly) for other in (signal.SIGTERM, signal.SIGHUP))],
)
def test_a_signal_ends_a_parallel_grid(number: int, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    out = tmp_path / "results.jsonl"
    with _start(out, theirs) as grid:
        written = b""
        end = time.monotonic() + 60
        while not (out.exists() and out.read_bytes().endswith(b"\n")):
            assert time.monotonic() < end and grid.poll() is None, written
            written += _read(ours)
            time.sleep(0.05)
        family = psutil.Process(grid.pid).children(recursive=True)
        assert len(family) >= 4  # two workers, each with its guard
        start = time.monotonic()
        grid.send_signal(number)
        assert grid.wait(GONE_S) == 128 + number
        _, alive = psutil.wait_procs(family, timeout=max(0.0, GONE_S - (time.monotonic() - start)))
        assert alive == []
    written += _read(ours)
    assert HIDE_CURSOR in written
    assert written.rfind(SHOW_CURSOR) > written.rfind(HIDE_CURSOR)
    assert b"Traceback" not in written
    stored = read_results(out)
    assert stored.problems == []
    assert stored.results
