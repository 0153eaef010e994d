"""A training that is killed, and one that runs in two processes, as real commands."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.results.provenance import CHECKOUT
from bench.training.checkpoints import Checkpoint, newest_checkpoint
from bench.training.log import read_log
from bench.training.names import CHECKPOINTS, LOG_FILE, SUMMARY_FILE

pytestmark = pytest.mark.nightly
STEPS = 6


def _command(data: Path, out: Path, images_per_gpu: int = 2, steps: int = STEPS, method: str = "adapter") -> list[str]:
    return [
        "-m", "bench", "train", "--task", "voc", "--data", str(data), "--out", str(out), "--method", method,
        "--backbone", "swin_nano", "--steps", str(steps), "--images-per-gpu", str(images_per_gpu), "--total-batch", "2",
        "--workers", "1", "--device", "cpu", "--log-every", "1", "--checkpoint-every", "1",
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=CHECKOUT, env=_environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def _end(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    return output


def _trained(out: Path, method: str = "adapter") -> Checkpoint:
    checkpoint = newest_checkpoint(out / f"voc-{method}-swin_nano-seed0" / CHECKPOINTS, print)
    assert checkpoint is not None
    return checkpoint


def test_a_training_that_is_killed_at_any_time_ends_with_the_same_bits(
    made_set: Callable[[str], Path], tmp_path: Path
) -> None:
    data = made_set("voc")
    _end(_start(_command(data, tmp_path / "whole")))
    folder = tmp_path / "killed" / "voc-adapter-swin_nano-seed0"
    for kills in range(1, 4):
        process = _start(_command(data, tmp_path / "killed"))
        deadline = time.monotonic() + 200
        while process.poll() is None and len(read_log(folder / LOG_FILE)) < kills and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(random.uniform(0, 1.0))  # in a step, in the writing of a checkpoint, or between
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    _end(_start(_command(data, tmp_path / "killed")))
    whole, killed = _trained(tmp_path / "whole"), _trained(tmp_path / "killed")
    assert whole.step == killed.step == STEPS
    assert whole.trained.keys() == killed.trained.keys()
    assert all(torch.equal(whole.trained[name], killed.trained[name]) for name in whole.trained)
    logs = [
        [(line["step"], line["losses"]) for line in read_log(tmp_path / name / folder.name / LOG_FILE)]
        for name in ("whole", "killed")
    ]
    assert logs[0] == logs[1]


def test_two_processes_with_one_image_each_learn_what_one_with_two_learns(
    made_set: Callable[[str], Path], tmp_path: Path
) -> None:
    """BitFit has no dropout, which each process would draw for itself."""
    data = made_set("voc")
    one, two = tmp_path / "one", tmp_path / "two"
    _end(_start(_command(data, one, 2, steps=1, method="bitfit")))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    _end(_start([*launcher, *_command(data, two, 1, steps=1, method="bitfit")]))
    assert (two / "voc-bitfit-swin_nano-seed0" / SUMMARY_FILE).exists()
    ours, theirs = (_trained(out, "bitfit").state["optimizer"]["state"] for out in (one, two))
    assert ours.keys() == theirs.keys()
    # After one step, the first moment is a tenth of the gradient.
    largest = max(of_one["exp_avg"].abs().max() for of_one in ours.values())
    for number in ours:
        difference = (ours[number]["exp_avg"] - theirs[number]["exp_avg"]).abs().max()
        assert difference < 1e-5 * largest
