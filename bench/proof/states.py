"""Which items are still to be done: what is missing, what failed before, and what was measured by other code."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from bench.cases.case import Case
from bench.proof.folder import Folder
from bench.proof.plan import HALF, Item
from bench.results.provenance import PACKAGES, describe_environment, installed_versions
from bench.results.result import Result
from drystep.cuda.rules import VERSIONS
from drystep.gpus.classes import Gpu

State = Literal["missing", "failed", "stale", "done"]
ORDER: tuple[State, ...] = ("missing", "failed", "stale")
"""What is done first: a card's time is short, and a figure of older code is better than none."""
BFLOAT16_SINCE = 8
"""Compute capability of the first cards with bfloat16 units (NVIDIA, Ampere architecture)."""


def to_do(items: Sequence[Item], folder: Folder, gpus: Sequence[Gpu]) -> list[Item]:
    """The items that are not done, in the order in which they should be."""
    states = {item: state_of(item, folder, gpus) for item in items}
    return sorted((item for item in items if states[item] != "done"), key=lambda item: ORDER.index(states[item]))


def state_of(item: Item, folder: Folder, gpus: Sequence[Gpu]) -> State:
    """How far an item is, by what the folder holds."""
    if item.case is not None and item.kind in ("case", "limits"):
        result = folder.measured.get(item.case)
        if item.kind == "limits":
            return _state_of_limits(result, gpus)
        return "missing" if result is None else _state(result.status == "error", result.environment)
    note = folder.notes.get(item.title)
    return "missing" if note is None else _state(note.status == "error", note.environment)


def can_measure(item: Item, compute_capability: str) -> bool:
    """Whether a card has what an item needs; one whose architecture is not known is tried."""
    major = compute_capability.partition(".")[0]
    lacks = major.isdigit() and int(major) < BFLOAT16_SINCE
    return not (lacks and item.case is not None and item.case.precision == HALF)


def simulated_case(case: Case, torch: str | None = None) -> Case:
    """A measured case as a simulation under the rules of a version of PyTorch; None is the installed one."""
    return replace(case, engine="simulate", torch=rules_version(torch or installed_versions()["torch"]))


def rules_version(installed: str) -> str:
    """The newest version with known rules that is not newer than the installed one: "2.11" for "2.11.0+cu130"."""
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in f"{installed}.0".split(".")[:2])
    older = [version for version in VERSIONS if _numbers(version) <= (major, minor)]
    return older[-1] if older else VERSIONS[0]


def is_current(environment: Mapping[str, Any], engine: str) -> bool:
    """Whether figures come from the code and the versions that are here."""
    now = describe_environment(engine, "")
    return all(environment.get(name) == now[name] for name in ("code_hash", *PACKAGES))


def _state_of_limits(result: Result | None, gpus: Sequence[Gpu]) -> State:
    if result is None or result.status == "error":
        return "missing"
    if all(gpu.name in result.fits for gpu in gpus):
        return "done"
    return "failed" if result.message else "missing"


def _state(failed: bool, environment: Mapping[str, Any]) -> State:
    if failed:
        return "failed"
    return "done" if is_current(environment, "cuda") else "stale"


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)
