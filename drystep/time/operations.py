"""Floating-point operations of a training step, by phase: the same counts from which its time is predicted."""

from drystep.trace.trace import Phase, Trace


def flops_by_phase(trace: Trace, module: str = "") -> dict[Phase, int]:
    """Operations of products, convolutions, transforms and decompositions, as the mean over the steps that count.

    They are counted by PyTorch's formulas: a multiplication and an addition are two. What activation checkpointing
    computes again counts as backward. With `module`, only operators of the module with that path and of those within
    it count; its backward operators are those that differentiate its forward ones.
    """
    sums: dict[Phase, int] = {"forward": 0, "backward": 0, "optimizer": 0}
    for number, work in trace.work:
        operator = trace.operators[number]
        if work.flops and operator.is_within(module):
            sums[operator.phase] = sums.get(operator.phase, 0) + work.flops
    return {phase: total // trace.steady_steps for phase, total in sums.items()}
