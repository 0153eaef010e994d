"""What is to be measured on a card, in order of worth: a run may be stopped at any time.

The first minute compares peaks of a few methods on VOC with their simulation. Does not import torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.cases.case import Case
from bench.cases.further_grids import FORMS
from bench.cases.methods import as_published, in_form
from bench.cases.paper_grids import AS_PUBLISHED, TIMED_FORMS, table4
from bench.cases.tasks import WORKLOADS

Kind = Literal["case", "limits", "snapshot", "calibration", "tests"]
"""A case with its times; a case under the limits of GPU classes; the requests of a case's step; the card's peaks; the
tests that need a GPU."""
CLASSES = ("gtx-1080ti-11gb", "p100-16gb", "rtx-3090-24gb", "v100-32gb")
"""The classes of the paper's Table 4, from the smallest."""
FIRST_TASK = "voc"
FIRST_METHODS = ("full", as_published("e3va"), "lora")
"""A method that trains the backbone, the paper's, and one that backpropagates through a frozen backbone."""
RECORDED_METHODS = (*FIRST_METHODS, "e3va")
METHODS_OF_TASK = (*AS_PUBLISHED, *TIMED_FORMS)
HALF = "amp-bf16"


@dataclass(frozen=True)
class Item:
    """One piece of work, which is stored when it is done."""

    kind: Kind
    case: Case | None = None
    """None for what is about no case."""

    @property
    def title(self) -> str:
        """One line for people, and the item's name in files."""
        return self.kind if self.case is None else f"{self.kind} {self.case.title}"


def plan() -> list[Item]:
    """All items, those of most worth first."""
    first = [_case(FIRST_TASK, method) for method in FIRST_METHODS]
    others = [_case(FIRST_TASK, method) for method in METHODS_OF_TASK if method not in FIRST_METHODS]
    halves = [replace(_case(FIRST_TASK, method), precision=HALF) for method in ("full", *_forms())]
    of_table4 = [replace(case, engine="cuda") for case in table4()]
    items = [*_items("case", first), Item("calibration"), *_items("snapshot", _recorded(FIRST_TASK)), Item("tests")]
    items += _items("case", [*others, *halves])
    items += [*_of_task("coco"), *_items("limits", [*first, *others, *halves]), *_of_task("ade20k")]
    items += [*_items("snapshot", [*_recorded("coco"), *_recorded("ade20k")])]
    items += [item for case in of_table4 for item in (Item("case", case), Item("limits", case))]
    return list(dict.fromkeys(items))


def _of_task(task: str) -> list[Item]:
    cases = [_case(task, method) for method in METHODS_OF_TASK]
    return [*_items("case", cases), *_items("limits", cases)]


def _forms() -> Iterable[str]:
    return [in_form("e3va", form) for form in FORMS]


def _recorded(task: str) -> list[Case]:
    return [_case(task, method) for method in RECORDED_METHODS]


def _case(task: str, method: str) -> Case:
    return Case(task=task, method=method, backbone=WORKLOADS[task].backbone, engine="cuda")


def _items(kind: Kind, cases: Sequence[Case]) -> list[Item]:
    return [Item(kind, case) for case in cases]
