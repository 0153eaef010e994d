"""Which code a figure comes from: a hash over all of it that can change the figure, and over nothing else."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from bench.cases.methods import METHODS
from bench.cases.tasks import WORKLOADS

SOURCE = Path(__file__).resolve().parents[2]
PACKAGES = ("baselines", "bench", "drystep", "e3va")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def code_hash(engine: str) -> str:
    """Hash of the modules that an engine measures with, and of all that they import from this project.

    Comments, docstrings and layout do not count: they change no figure.
    """
    digest = hashlib.sha256()
    for path in sorted(_reached(_roots(engine))):
        digest.update(f"{path.relative_to(SOURCE).as_posix()}\n{_without_docstrings(path)}\n".encode())
    return digest.hexdigest()[:12]


def _roots(engine: str) -> list[Path]:
    """The parent's side and the child's side of an engine, and what is loaded by name: methods and detectors."""
    homes = [method.home for method in METHODS.values()] + [workload.home for workload in WORKLOADS.values()]
    names = (f"bench.engines.{engine}", f"bench.engines.{engine}_session", *(home.partition(":")[0] for home in homes))
    return [path for name in names if (path := _file_of(name))]


def _reached(roots: list[Path]) -> set[Path]:
    """These files and what they import, however far."""
    reached: set[Path] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [file for name in _imported(path) if (file := _file_of(name))]
    return reached


def _imported(path: Path) -> Iterator[str]:
    """Full names of what a file imports from this project; a package itself only for names that it defines."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if _file_of(submodule) else node.module


def _file_of(name: str) -> Path | None:
    if name.split(".")[0] not in PACKAGES:
        return None
    base = SOURCE.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.exists()), None)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _without_docstrings(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            # Also the strings under fields: whatever stands as a statement of its own is text.
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
