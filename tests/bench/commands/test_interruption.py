"""Signals end a grid at once, with all its processes, and leave the terminal as it was."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bench.results.provenance import CHECKOUT
from bench.results.store import read_results
from tests.bench.tiny_grid import GONE_S, TINY, heed_interrupts

START_S = 180
FILLS_S = 5
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"


def _start(out: Path, terminal: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *TINY, "--image-size", "64x64", "--out", str(out)],
        cwd=CHECKOUT,
        env={**os.environ, "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


class Terminal:
    """A terminal that reads what is written to it, until it is stopped."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self.written = b""
        self._stopped = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def stop(self) -> None:
        """Take nothing any more, as after Ctrl-S."""
        self._stopped.set()

    def _read(self) -> None:
        with suppress(OSError):  # nobody writes any more
            while not self._stopped.is_set():
                self.written += os.read(self._ours, 65536)


def _family_at_work(grid: subprocess.Popen[bytes], out: Path, terminal: Terminal) -> list[psutil.Process]:
    """Wait until a result is there; the processes that work on the others."""
    end = time.monotonic() + START_S
    while not (out.exists() and out.read_bytes().endswith(b"\n")):
        assert time.monotonic() < end, terminal.written
        assert grid.poll() is None, terminal.written
        time.sleep(0.05)
    return psutil.Process(grid.pid).children(recursive=True)


@pytest.mark.parametrize(
    ("number", "stopped"),
    [
        (signal.SIGINT, False),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.nightly),
        pytest.param(signal.SIGHUP, False, marks=pytest.mark.nightly),
        pytest.param(signal.SIGINT, True, marks=pytest.mark.nightly),
    ],
)
def test_a_signal_ends_a_parallel_grid(number: int, stopped: bool, tmp_path: Path) -> None:
    terminal, out = Terminal(), tmp_path / "results.jsonl"
    grid = _start(out, terminal.theirs)
    try:
        family = _family_at_work(grid, out, terminal)
        assert len(family) >= 4  # two workers, each with its guard
        if stopped:
            terminal.stop()
            time.sleep(FILLS_S)
        start = time.monotonic()
        grid.send_signal(number)
        assert grid.wait(GONE_S) == 128 + number
        _, alive = psutil.wait_procs(family, timeout=max(0.0, GONE_S - (time.monotonic() - start)))
        assert alive == []
    finally:
        grid.kill()
        grid.wait()
    stored = read_results(out)
    assert stored.problems == []
    assert stored.results
    if not stopped:
        time.sleep(0.2)
        assert HIDE_CURSOR in terminal.written
        assert terminal.written.rfind(SHOW_CURSOR) > terminal.written.rfind(HIDE_CURSOR)
        assert b"Traceback" not in terminal.written
