"""What of a text says where it was written."""

import socket
import sysconfig
import tempfile
from pathlib import Path

import pytest

from drystep.measure.impersonal import impersonal


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    monkeypatch.setattr(socket, "gethostname", lambda: "ada-laptop")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read /home/ada/secret project/train.py", "cannot read ~/secret project/train.py"),
        (f'File "{sysconfig.get_path("purelib")}/torch/nn.py", line 3', 'File "site-packages/torch/nn.py", line 3'),
        (f'File "{sysconfig.get_path("stdlib")}/json/decoder.py"', 'File "python/json/decoder.py"'),
        (f"{tempfile.gettempdir()}/pytest-1/x.py:3", "tmp/pytest-1/x.py:3"),
        ('File "/opt/ours/bench/cases/case.py", line 9', 'File "bench/cases/case.py", line 9'),
        ("no image /srv/data/coco/000001.jpg there", "no image .../000001.jpg there"),
        (r"no image C:\Users\ada\coco\1.jpg there", "no image .../1.jpg there"),
        ("the process on ada-laptop died", "the process on this machine died"),
        (
            "12 images/s, 3/4 of the rows, forward/backward, a / b",
            "12 images/s, 3/4 of the rows, forward/backward, a / b",
        ),
        ("https://pytorch.org/memory_viz shows it", "https://pytorch.org/memory_viz shows it"),
        ("drystep/trace/recorder.py", "drystep/trace/recorder.py"),
    ],
)
def test_paths_and_names_are_replaced(text: str, expected: str) -> None:
    assert impersonal(text, {Path("/opt/ours"): ""}) == expected
