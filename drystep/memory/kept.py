"""What a training step keeps from its forward pass for its backward pass."""

from collections.abc import Iterator

from drystep.trace.trace import Trace


def kept_for_backward_bytes(trace: Trace, module: str = "") -> int:
    """Bytes of the storages that a forward pass allocated and that are alive when backward begins.

    Each storage counts once, without rounding. These are the tensors that autograd saved, including copies of weights
    in half precision, the loss, and the gradient of the loss. Parameters and the batch are none of them: they exist
    before the forward pass. With `module`, only what operators of the module with that path, and of those within it,
    allocated counts. Of several steps that count, it is the largest sum.
    """
    return max((_kept_bytes(trace, step, module) for step in _steady_steps(trace)), default=0)


def _steady_steps(trace: Trace) -> Iterator[int]:
    count = len(trace.iteration_starts)
    return iter(range(count - min(count, trace.steady_steps), count))


def _kept_bytes(trace: Trace, step: int, module: str) -> int:
    starts, firsts = trace.iteration_starts, trace.first_operators
    ends = firsts[step + 1] if step + 1 < len(firsts) else len(trace.operators)
    backward = next((at for at in range(firsts[step], ends) if trace.operators[at].phase == "backward"), ends)
    alive: set[int] = set()
    for index, born, operator in trace.events[starts[step] :]:
        if operator >= backward:
            break
        (alive.add if born else alive.discard)(index)
    return sum(
        allocation.requested_bytes
        for allocation in map(trace.allocations.__getitem__, alive)
        if allocation.category == "activations" and trace.operators[allocation.operator].is_within(module)
    )
