"""The process of the reference method Full, whose steps are timed in turns with those of a case.

On a noisy machine, only times that are measured in turns can be compared.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from bench.cases.case import Case
from bench.engines.settings import Settings
from bench.engines.timing.turns import Turn
from drystep.measure.parent import Child

REFERENCE_METHOD = "full"

Open = Callable[[Case, Settings], Child]


class References:
    """Keeps the process of one reference at a time. A case has one if Full of its workload is requested, too."""

    def __init__(self, requested: Iterable[Case], settings: Settings, open_child: Open) -> None:
        self.requested = {case for case in requested if case.method == REFERENCE_METHOD}
        self.settings = settings
        self.open_child = open_child
        self.case: Case | None = None
        self.child: Child | None = None

    def case_for(self, case: Case) -> Case | None:
        """The reference of a case, if it has one."""
        reference = replace(case, method=REFERENCE_METHOD, checkpointing=False, bf16_trunk=False)
        return reference if case != reference and reference in self.requested else None

    def time_turn(self, wanted: Case) -> Turn:
        """Time a step and an inference of a warm reference. Raises `ChildError` if it fails or has failed before."""
        if wanted != self.case:
            self.close()
            self.case, self.child = wanted, self.open_child(wanted, self.settings)
            self._call("warm_up")
        return Turn.from_fields(self._call("time_turn"))

    def close(self) -> None:
        """End the process of the reference."""
        if self.child is not None:
            self.child.close()
        self.case = self.child = None

    def _call(self, name: str) -> Any:
        assert self.child is not None
        self.child.left_s = self.settings.time_limit_s  # the limit is for one case, and this process serves many
        return self.child.call(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
