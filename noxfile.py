"""Sessions: `nox -s bench` answers the paper's tables; tests, lint, types and benchmarks keep the project honest.

PyTorch is 5 GB: all sessions that need it share the environment that the session of that name installs.
"""

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("-c", "constraints.txt")
SHARED = "environment"
MEMORY_GATE = (
    "--memory-engine=simulate",
    "--memory-baseline=tests/benchmarks/memory.json",
    "--fail-on-increase=0.1%",
)
IN_PARALLEL = ("-n", "auto", "--dist", "worksteal")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""As many processes run as there are cores."""


def _groups(*names: str) -> list[str]:
    """Requirements of dependency groups of pyproject.toml."""
    return list(nox.project.dependency_groups(PYPROJECT, *names))


def _python(session: nox.Session) -> str:
    """Interpreter of the shared environment."""
    folder = Path(session.cache_dir).parent / SHARED
    return str(next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists()))


@nox.session(name=SHARED, default=False)
def environment(session: nox.Session) -> None:
    """Install drystep, e3va and what the suite needs, with the exact versions of constraints.txt."""
    session.install(*CONSTRAINTS, "-e", ".", *_groups("suite", "ray", "tests", "types"))


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def bench(session: nox.Session) -> None:
    """Measure the grids of the paper's tables, write the report to bench-results/ and print the tables."""
    session.run(_python(session), "-m", "bench", "tables", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def gpu(session: nox.Session) -> None:
    """Measure all that waits for a GPU; `nox -s gpu -- --minutes 9 --out reports/measured` says how long and where."""
    session.run(_python(session), "-m", "bench", "prove", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def sample(session: nox.Session) -> None:
    """Make docs/sample-report anew: run what `nox -s bench` runs, and keep its results, report, page and pictures.

    `nox -s sample -- report` only writes the report anew, from the stored results.
    """
    kept, python = Path("docs/sample-report").resolve(), _python(session)
    explained = Path(session.create_tmp())
    made = explained / "report"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    if "report" in session.posargs:
        for path in kept.glob("*.jsonl"):
            shutil.copy(path, made)
        session.run(python, "-m", "bench", "report", str(made / "results.jsonl"), "--out", str(made), external=True)
    else:
        session.run(python, "-m", "bench", "tables", "--out", str(made), external=True)
    example = ("--task", "voc", "--method", "e3va")
    session.run(python, "-m", "bench", "explain", *example, "--out", str(explained), external=True, silent=True)
    shutil.copy(explained / "timeline.png", made)
    shutil.rmtree(kept)
    shutil.copytree(made, kept)


@nox.session(venv_backend="none", requires=[SHARED])
def tests(session: nox.Session) -> None:
    """Run the tests and the quick gate of memory; `nox -s tests -- -m "not slow"` leaves the long ones out."""
    pytest = (_python(session), "-m", "pytest")
    session.run(*pytest, "--ignore=tests/benchmarks", *IN_PARALLEL, *session.posargs, external=True, env=ONE_THREAD)
    if not session.posargs:
        session.run(*pytest, "tests/benchmarks", "-m", "not slow", *MEMORY_GATE, external=True)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def learn(session: nox.Session) -> None:
    """Pre-train a small Swin, fine-tune it with six methods over three seeds, and fail unless full and E3VA learn."""
    out = ("--out", "learn-results")
    session.run(_python(session), "-m", "bench", "learn", *(session.posargs or out), external=True, env=ONE_THREAD)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def nightly(session: nox.Session) -> None:
    """Run the tests that take too long for every change."""
    pytest = (_python(session), "-m", "pytest", "--ignore=tests/benchmarks", "-m", "nightly")
    session.run(*pytest, *IN_PARALLEL, *session.posargs, external=True, env=ONE_THREAD)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def fuzz(session: nox.Session) -> None:
    """Run the commands on random invalid inputs. Inputs that failed are kept in tests/fuzz/found and tried first."""
    pytest = (_python(session), "-m", "pytest", "tests/fuzz", "-m", "fuzz")
    session.run(*pytest, *IN_PARALLEL, *session.posargs, external=True, env=ONE_THREAD)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def benchmarks(session: nox.Session) -> None:
    """Gate the memory of the paper's cases, and time the step of each method in turns with Full."""
    session.run(_python(session), "-m", "pytest", "tests/benchmarks", *MEMORY_GATE, *session.posargs, external=True)


@nox.session(default=False)
def newest(session: nox.Session) -> None:
    """Run the tests of drystep, e3va and the suite's cases under the newest PyTorch of the registry."""
    session.install("--upgrade", "torch", "torchvision", "timm", "-e", ".", *_groups("suite", "tests"))
    folders = ("tests/drystep", "tests/e3va", "tests/bench/cases")
    # That a version is untested is no news here.
    untested = ("-W", "ignore::drystep.torch_private.UntestedTorchWarning")
    session.run("pytest", *folders, *IN_PARALLEL, *untested, *session.posargs, env=ONE_THREAD)


@nox.session(venv_backend="none", requires=[SHARED])
def types(session: nox.Session) -> None:
    """Check types with mypy."""
    session.run(_python(session), "-m", "mypy", *session.posargs, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout with ruff."""
    session.install(*CONSTRAINTS, *_groups("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation as a site into site/; `nox -s docs -- serve` shows it while it is written."""
    session.install(*CONSTRAINTS, *_groups("docs"))
    # The theme says at every start that it is maintained until 2027.
    session.run("mkdocs", *(session.posargs or ("build", "--strict")), env={"NO_MKDOCS_2_WARNING": "1"})
