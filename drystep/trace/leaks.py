"""Steps that never free: what a training step leaves behind, and leaves behind again."""

from collections import Counter

from drystep.trace.trace import Trace

SHOWN = 3
"""Lines that a warning names."""


def leftovers(trace: Trace) -> list[int]:
    """Allocations of the last step but one that outlive the last, where the last leaves as many behind.

    What a step replaces (gradients, a loss in a variable) dies in the next one. The first step does not count, because
    the optimizer's state appears in it; so this takes three.
    """
    if len(trace.iteration_starts) < 3:
        return []
    before, last = trace.iteration_starts[-2:]
    steps: tuple[set[int], set[int]] = (set(), set())
    for position, (index, born, _) in enumerate(trace.events[before:], start=before):
        if born:
            steps[position >= last].add(index)
        else:
            for step in steps:
                step.discard(index)
    again = _sites(trace, steps[1])
    kept = []
    for index in sorted(steps[0]):
        (site,) = _sites(trace, {index})
        if again[site] > 0:
            again[site] -= 1
            kept.append(index)
    return kept


def leak_warning(trace: Trace) -> str | None:
    """Say how much each step leaves behind, and on which lines if the trace has them; None if it leaves nothing."""
    kept = leftovers(trace)
    if not kept:
        return None
    by_site: Counter[str] = Counter()
    for index in kept:
        allocation = trace.allocations[index]
        line = trace.source_lines[allocation.operator] if trace.source_lines else None
        name = trace.operators[allocation.operator].name
        by_site[f"{name} at {line}" if line else name] += allocation.requested_bytes
    where = "; ".join(f"{size_bytes:,} bytes by {site}" for site, size_bytes in by_site.most_common(SHOWN))
    more = f"; and {len(by_site) - SHOWN} more" if len(by_site) > SHOWN else ""
    return f"the step never frees {sum(by_site.values()):,} bytes of what it allocates, each time anew: {where}{more}"


def _sites(trace: Trace, indices: set[int]) -> Counter[tuple[str, int]]:
    """How many allocations of a size each operator has among these."""
    allocations = [trace.allocations[index] for index in indices]
    return Counter((trace.operators[a.operator].name, a.requested_bytes) for a in allocations)
