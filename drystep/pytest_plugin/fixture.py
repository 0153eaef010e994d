"""The fixture `gpu_memory`: measures training steps of one test, and fails the test where they need too much."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from drystep.pytest_plugin.baseline import Peak, installed_torch
from drystep.pytest_plugin.gate import Gate, MeasuredTest

if TYPE_CHECKING:
    from drystep.cuda.rules import Rules
    from drystep.pytest_plugin.step_memory import StepMemory
    from drystep.values.oracles import Oracles

MARKER = "limit_gpu_memory"
PROPERTY = "gpu_memory"
"""Name under which a test's report carries what was measured: across processes, and into JUnit files."""
GATE = pytest.StashKey[Gate]()
MEMORY = pytest.StashKey["GpuMemory"]()


class GpuMemory:
    """Measures training steps of one test."""

    def __init__(self, item: pytest.Item) -> None:
        self.names: set[str] = set()
        self._item = item
        self._gate = item.config.stash[GATE]
        marker = item.get_closest_marker(MARKER)
        self._limit = None if marker is None else marker.args[0]
        self._options = {} if marker is None else dict(marker.kwargs)

    def measure(
        self,
        build_step: Callable[[Any], Callable[[], object]],
        *,
        name: str = "",
        limit: str | int | None = None,
        rules: "Rules | str | None" = None,
        precision: str | None = None,
        iterations: int | None = None,
        oracles: "Oracles | None" = None,
        strict: bool | None = None,
    ) -> "StepMemory":
        """Measure a step, and fail the test where it exceeds its limit or has grown since the baseline.

        What is left out is as the test's marker says. `name` tells the measurements of one test apart. Raises
        `ValueError` for unknown names, and `drystep.SimulationError` for a step that cannot be simulated.
        """
        from drystep.pytest_plugin.step_memory import Options, measure_step  # needs torch

        test = "::".join(filter(None, [self._item.nodeid, name]))
        if test in self.names:
            raise ValueError(f'{test} is measured already: tell its steps apart with measure(..., name="...")')
        self.names.add(test)
        asked = {"rules": rules, "precision": precision, "iterations": iterations, "oracles": oracles, "strict": strict}
        options = Options(**self._options | {key: value for key, value in asked.items() if value is not None})
        memory = measure_step(build_step, self._limit if limit is None else limit, options, self._gate.engine)
        self._judge(_measured(test, memory), memory)
        return memory

    def _judge(self, test: MeasuredTest, memory: "StepMemory") -> None:
        self._item.user_properties.append((PROPERTY, test.as_fields()))
        problems = self._gate.check(test)
        if memory.failure:
            limit = f"its limit of {test.limit}" if test.limit else "the GPU has"
            how = f"{memory.how} {memory.device}".strip()
            exceeded = f"the training step needs more GPU memory than {limit} ({how})"
            problems = [exceeded, *(f"  {line}" for line in memory.failure), *problems]
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)


def _measured(name: str, memory: "StepMemory") -> MeasuredTest:
    peak = Peak(
        how=memory.how,
        device=memory.device,
        torch=installed_torch(),
        peak_allocated_bytes=memory.peak_allocated_bytes,
        peak_reserved_bytes=memory.peak_reserved_bytes,
        at_peak=memory.at_peak,
    )
    limit = "" if memory.limit is None else memory.limit.text
    broke_off = memory.how == "measured" and memory.verdict == "oom"
    return MeasuredTest(name, peak, limit, memory.verdict or "", broke_off, memory.warnings)


def memory_of(item: pytest.Item) -> GpuMemory:
    """The measurements of a test."""
    return item.stash.setdefault(MEMORY, GpuMemory(item))
