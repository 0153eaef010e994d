"""Evaluations of trained runs, gathered from their folders and kept in one file beside the results."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.cases.methods import METHODS, RegisteredMethod
from drystep.validation.check_files import CheckKind, Fields, read_checks_file, require_checks_file, write_checks_file

ACCURACY_FILE = "accuracy.json"
"""What `bench evaluate` writes into a run's folder."""
KEPT_FILE = "accuracy.jsonl"
"""Where the evaluations of many runs are kept."""
LARGEST_BYTES = 1 << 24
"""Ours have a few kilobytes. A larger file is not read, so that a foreign one cannot fill the memory."""
EVALUATION = CheckKind(
    "bench evaluation",
    texts=("task", "method", "backbone", "label", "base", "form", "variant"),
    numbers=("seed",),
    truths=("made_up",),
)


def gather(folder: Path) -> tuple[list[Fields], list[str]]:
    """Read `accuracy.json` of every run below a folder.

    Returns:
        The evaluations, each with what is known of its method, and remarks on files that are left out.

    Raises:
        ValueError: The folder is none, or none of its folders has an evaluation that can be read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: --runs names the folder that has the runs of `bench train`")
    found: list[Fields] = []
    remarks: list[str] = []
    for path in sorted(folder.glob(f"*/{ACCURACY_FILE}")):
        line = _line(path)
        if line is not None and EVALUATION.is_check(line):
            found.append(line)
        else:
            remarks.append(f"{path} is not an evaluation that `bench evaluate` wrote and is left out")
    if not found:
        raise ValueError(
            f"no run in {folder} has an evaluation: `bench evaluate` writes {ACCURACY_FILE} into its folder"
        )
    return found, remarks


def require_writable(folder: Path) -> None:
    """Raise `ValueError` if evaluations cannot be kept in a folder, or would replace something else."""
    require_checks_file(folder / KEPT_FILE, EVALUATION)


def keep(folder: Path, evaluations: Iterable[Fields]) -> None:
    """Replace the evaluations that are kept in a folder. Raises `OSError` if that fails."""
    write_checks_file(folder / KEPT_FILE, evaluations)


def read_kept(folder: Path) -> tuple[list[Fields], list[str]]:
    """Return the evaluations that are kept in a folder, and remarks on lines that are none."""
    return read_checks_file(folder / KEPT_FILE, EVALUATION)


def _line(path: Path) -> dict[str, Any] | None:
    """An evaluation with its kind and its method's fields; None for anything else."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {**found, **_of_method(str(found.get("method"))), "kind": EVALUATION.name}


def _of_method(name: str) -> dict[str, str]:
    known: RegisteredMethod | None = METHODS.get(name)
    return known.as_fields() if known else {"label": name, "base": name, "form": "", "variant": ""}
