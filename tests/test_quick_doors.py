"""What needs no PyTorch does not wait for it: help, versions, lists, wrong commands, and plain imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.cases.case import Case
from bench.results.provenance import describe_environment
from bench.results.result import Result
from bench.results.store import append_result
from drystep.gpus.classes import select_gpus

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "numpy", "pandas", "matplotlib", "timm", "ray")
BENCH = [
    ([], 0),
    (["--help"], 0),
    (["--version"], 0),
    (["list"], 0),
    (["run", "--help"], 0),
    (["explain", "--help"], 0),
    (["compare", "--help"], 0),
    (["tables", "--help"], 0),
    (["nosuch"], 2),
    (["run", "--nosuch"], 2),
    (["run"], 2),
    (["run", "--task", "nosuch"], 2),
    (["run", "--task", "voc", "--method", "nosuch"], 2),
    (["run", "--task", "voc", "--image-size", "7"], 2),
    (["run", "--task", "voc", "--engine", "simulate", "--gpu", "nosuch"], 2),
    (["fit", "--task", "voc"], 2),
    (["fit", "--task", "voc", "--gpu", "nosuch"], 2),
    (["prove", "--help"], 0),
    (["prove", "--minutes", "0"], 2),
]
DRYSTEP = [
    ([], 0),
    (["--help"], 0),
    (["--version"], 0),
    (["gpus"], 0),
    (["fit", "--help"], 0),
    (["validate", "--help"], 0),
    (["nosuch"], 2),
    (["fit"], 2),
    (["fit", "nosuch"], 2),
    (["fit", "nosuch.py:build_step"], 2),
    (["fit", "nosuch.py:build_step", "--gpu", "nosuch"], 2),
]
CODE = """
import sys
from {package}.commands.cli import main
for arguments, expected in {commands!r}:
    status = main(arguments)
    assert status == expected, (arguments, status)
    loaded = [name for name in {heavy!r} if name in sys.modules]
    assert not loaded, (arguments, loaded)
"""


def _run(code: str) -> None:
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(("package", "commands"), [("bench", BENCH), ("drystep", DRYSTEP)])
def test_commands(package: str, commands: list[tuple[list[str], int]]) -> None:
    _run(CODE.format(package=package, commands=commands, heavy=HEAVY))


def test_imports() -> None:
    _run(
        "import sys, drystep, e3va, bench, drystep.gpus.classes, drystep.pytest_plugin.plugin, bench.cases.case\n"
        "assert drystep.__version__ == e3va.__version__\n"
        f"assert not [name for name in {HEAVY!r} if name in sys.modules]"
    )


@pytest.mark.parametrize("package", ["drystep", "e3va", "bench"])
def test_public_names_are_there(package: str) -> None:
    module = __import__(package)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nosuch'"):
        _ = module.nosuch


def test_a_stored_grid(tmp_path: Path) -> None:
    case = Case(task="voc", method="full", engine="simulate")
    fits = {gpu.name: {"verdict": "fits", "usable_bytes": gpu.usable_bytes} for gpu in select_gpus()}
    append_result(tmp_path / "stored.jsonl", Result(case, "ok", describe_environment("simulate", ""), fits=fits))
    command = ["run", "--task", "voc", "--method", "full", "--engine", "simulate", "--out", f"{tmp_path}/stored.jsonl"]
    _run(CODE.format(package="bench", commands=[(command, 0)], heavy=HEAVY))
