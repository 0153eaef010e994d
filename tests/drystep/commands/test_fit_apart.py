"""Whatever the file of a user does, the command answers in a sentence and with exit status 1."""

from pathlib import Path

import pytest

from drystep.commands.cli import main

FILE = """
import ctypes, os, signal, subprocess, sys, threading, time

def ends_in_words(device):
    sys.exit("no data set here")

def crashes(device):
    ctypes.string_at(0)

def loops(device):
    while True:
        pass

def holds_the_interpreter(device):
    ctypes.PyDLL(None).sleep(600)

def writes_without_end(device):
    while True:
        print("x" * 1_000_000)

def forks_and_dies(device):
    if os.fork() == 0:
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL)

def raises_a_long_message(device):
    raise ValueError("y" * 50_000_000)

def raises_what_no_handler_takes(device):
    raise GeneratorExit

def recurses(device):
    return recurses(device)

def closes_everything(device):
    os.closerange(0, 100)
    time.sleep(600)

def in_the_step(device):
    return lambda: os._exit(0)

def no_step(device):
    return 3
"""


TOLD = {
    "crashes": "the process was killed by SIGSEGV",
    "in_the_step": "the process exited with status 0 in the middle of its work",
    "raises_a_long_message": "... (50,000,000 characters)",
    "ends_in_words": "SystemExit: no data set here",
    "loops": "stopped at its time limit of 20 s",
    "holds_the_interpreter": "stopped at its time limit of 20 s",
    "writes_without_end": "stopped at its time limit of 20 s",
    "closes_everything": "stopped at its time limit of 20 s",
    "forks_and_dies": "the process was killed by SIGKILL",
    "raises_what_no_handler_takes": "GeneratorExit",
    "recurses": "RecursionError: maximum recursion depth exceeded",
    "no_step": "one training step, not int",
}
OFTEN = ("crashes", "in_the_step", "raises_a_long_message")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.nightly) for name in TOLD]
)
def test_what_a_file_does_is_told(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.py").write_text(FILE)
    limit_s = 20 if "time limit" in TOLD[name] else 120  # a busy machine needs some seconds to import PyTorch
    assert main(["fit", f"{tmp_path / 'train.py'}:{name}", "--time-limit", str(limit_s)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "error: " in told.err and TOLD[name] in told.err
    assert "Traceback" not in told.err
    assert len(told.err) < 5000
