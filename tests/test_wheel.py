"""The wheel in somebody else's project, whose folders have the names of ours: `models`, `bench`, `reports`, `tests`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from drystep.gpus.classes import OWN_CLASSES

ROOT = Path(__file__).parent.parent
FOLDERS = ("models", "bench", "reports", "baselines", "tests")
TRAIN = """
import torch
from models.net import WIDTH
import bench.speed, reports.monthly

def build_step(device):
    model = torch.nn.Linear(WIDTH, WIDTH).to(device)
    data = torch.empty(8, WIDTH, device=device)
    return lambda: model(data).sum().backward()
"""
TEST = """
import pytest
from train import build_step

@pytest.mark.limit_gpu_memory("1 GiB")
def test_training_fits():
    import bench.speed, models.net, reports.monthly
    assert (bench.speed.WHOSE, models.net.WHOSE, reports.monthly.WHOSE) == ("theirs",) * 3
    return build_step

@pytest.mark.limit_gpu_memory("1 MiB")
@pytest.mark.xfail(strict=True)
def test_training_is_too_large():
    return build_step
"""
IMPORTS = """
import baselines.mine, bench.speed, models.net, reports.monthly, tests.helpers
import timm
import drystep
from e3va import E3VA
assert drystep.__file__.startswith(r"{folder}"), drystep.__file__
assert {{m.WHOSE for m in (baselines.mine, bench.speed, models.net, reports.monthly, tests.helpers)}} == {{"theirs"}}
swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0)
assert len(E3VA(swin, rank=2).trainable_state_dict()) > 0
assert bench.speed.WHOSE == "theirs"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources: a build leaves its marks beside them."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("drystep", "e3va", "bench", "baselines", "reports"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        str(out),
    ]
    subprocess.run(command, cwd=source, check=True)
    (built,) = out.glob("drystep-*.whl")
    return built


def test_the_wheel_holds_two_packages_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    version = wheel.name.split("-")[1]
    assert {name.split("/")[0] for name in names} == {"drystep", "e3va", f"drystep-{version}.dist-info"}
    needed = {"drystep/py.typed", "e3va/py.typed", "drystep/ground_truth/xmem_sample.csv"}
    needed |= {"drystep/ground_truth/field_reports.csv", "drystep/validation/rebuilds/families.py"}
    needed |= {f"drystep/gpus/cards/{path.name}" for path in OWN_CLASSES.glob("*.toml")}
    needed |= {f"drystep/commands/answer/templates/{name}" for name in ("answer.html", "timeline.html", "style.css")}
    assert needed <= set(names)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(params=["with __init__.py", "without"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    modules = dict(zip(FOLDERS, ("net", "speed", "monthly", "mine", "helpers"), strict=True))
    for folder, module in modules.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{module}.py").write_text("WHOSE = 'theirs'\nWIDTH = 1024\n")
        if request.param != "without":
            (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "conftest.py").touch()
    (tmp_path / "tests" / "test_memory.py").write_text(TEST)
    return tmp_path


def _run(command: list[str], project: Path, installed: Path) -> str:
    """Run a command in the project's folder, with the installed wheel before what else is installed here."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "CUDA_VISIBLE_DEVICES": ""}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "PYTHONSAFEPATH"):
        environment.pop(name, None)
    finished = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_their_packages_and_ours_can_be_imported(project: Path, installed: Path) -> None:
    _run([sys.executable, "-c", IMPORTS.format(folder=installed)], project, installed)


@pytest.mark.parametrize(
    ("project", "command"), [("with __init__.py", ["-m", "pytest"]), ("without", ["pytest"])], indirect=["project"]
)
def test_the_plugin_measures_their_tests(command: list[str], project: Path, installed: Path) -> None:
    program = [sys.executable, "-m", "pytest"] if len(command) == 2 else [str(Path(sys.executable).with_name("pytest"))]
    assert "1 passed, 1 xfailed" in _run([*program, "-q", "-p", "no:cacheprovider"], project, installed)


def test_the_command_line_runs_their_step(project: Path, installed: Path) -> None:
    command = [str(installed / "bin" / "drystep"), "fit", "train.py:build_step", "--gpu", "gtx-1080ti-11gb", "--json"]
    assert '"verdict": "fits"' in _run([sys.executable, *command], project, installed)
