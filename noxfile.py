"""Sessions: `nox -s bench` answers the paper's Tables 1-4; tests, lint, types and benchmarks keep the suite honest.

PyTorch is 5 GB: all sessions that need it share the environment that the session of that name installs.
"""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

GROUPS = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = ("-c", "constraints.txt")
SHARED = "environment"
MEMORY_GATE = (
    "--memory-engine=simulate",
    "--memory-baseline=tests/benchmarks/memory.json",
    "--fail-on-increase=0.1%",
)


def _python(session: nox.Session) -> str:
    """Interpreter of the shared environment."""
    folder = Path(session.cache_dir).parent / SHARED
    return str(next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists()))


@nox.session(name=SHARED, default=False)
def environment(session: nox.Session) -> None:
    """Install the suite with the exact versions of constraints.txt."""
    groups = nox.project.dependency_groups(GROUPS, "tests", "types")
    session.install(*CONSTRAINTS, "-e", ".", *groups)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def bench(session: nox.Session) -> None:
    """Measure the grids of Tables 1-4, write the report to bench-results/ and print the tables."""
    session.run(_python(session), "-m", "bench", "tables", *session.posargs, external=True)


@nox.session(venv_backend="none", requires=[SHARED])
def tests(session: nox.Session) -> None:
    """Run the tests and the quick gate of memory; `nox -s tests -- -m "not slow"` leaves the long ones out."""
    pytest = (_python(session), "-m", "pytest")
    session.run(*pytest, "--ignore=tests/benchmarks", *session.posargs, external=True)
    if not session.posargs:
        session.run(*pytest, "tests/benchmarks", "-m", "not slow", *MEMORY_GATE, external=True)


@nox.session(venv_backend="none", default=False, requires=[SHARED])
def benchmarks(session: nox.Session) -> None:
    """Gate the memory of the paper's cases, and time the step of each method in turns with Full."""
    session.run(_python(session), "-m", "pytest", "tests/benchmarks", *MEMORY_GATE, *session.posargs, external=True)


@nox.session(venv_backend="none", requires=[SHARED])
def types(session: nox.Session) -> None:
    """Check types with mypy."""
    session.run(_python(session), "-m", "mypy", *session.posargs, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout with ruff."""
    session.install(*CONSTRAINTS, *nox.project.dependency_groups(GROUPS, "lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
