"""Where the memory of a step goes: its timeline as JSON has it, and PyTorch's snapshot of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from drystep.fit.asked import AskedStep
from drystep.gpus.classes import Gpu, select_gpus
from drystep.memory.snapshot import write_snapshot
from drystep.simulation import Simulation, judge
from drystep.simulator import simulate

SNAPSHOT = "snapshot.pickle"
"""Name of the file that PyTorch's memory visualizer opens."""


def simulate_under(asked: AskedStep, build_step: Callable[..., Any], card: Gpu | None) -> Simulation:
    """Simulate a step whose memory a card bounds; None: nothing bounds it."""
    rules = asked.rules if card is None else replace(asked.rules, card=card)
    judged = select_gpus()[:1] if card is None else [card]
    free = simulate(build_step, rules, asked.precision, gpus=judged, oracles=asked.oracles, strict=asked.strict)
    if card is None:
        return free
    bound = judge(free.trace, (), rules, rules.usable_bytes(card), whole_card=True)
    return replace(bound, warnings=free.warnings, assumptions=free.assumptions)


def explanation(simulation: Simulation, depth: int | None = None) -> dict[str, Any]:
    """The timeline of a simulation, its capacity and verdict, as JSON has them; `depth` is that of module paths."""
    verdict = {"capacity_bytes": simulation.capacity_bytes, "verdict": simulation.verdict}
    return {**verdict, **simulation.timeline.as_dict(depth)}


def write_snapshot_of(simulation: Simulation, folder: Path) -> None:
    """Write `SNAPSHOT` into a folder. Raises `OSError`."""
    write_snapshot(
        simulation.trace,
        folder / SNAPSHOT,
        simulation.capacity_bytes,
        simulation.allocator_settings,
        simulation.whole_card,
        simulation.rules.architecture,
    )
