"""What the steps of a table compute and move: traced once, on as many processes as there are cores."""

from collections import Counter
from dataclasses import dataclass

from drystep.cuda.meta_cache import META
from drystep.cuda.rules import Rules
from drystep.operators import Work
from drystep.simulator import trace_steps
from drystep.zoo.timm_steps import Mode, timm_step


@dataclass(frozen=True)
class StepToTrace:
    """A step as its trace needs it: steps that differ in nothing else share one."""

    model: str
    """Name of a model of timm."""
    batch_size: int
    image_size: int
    precision: str
    mode: Mode
    layout: str
    torch: str
    """Version of PyTorch whose rules count."""
    reparameterized: bool = False
    """Whether branches that inference does not need were folded into one convolution beforehand."""


def counted_work(step: StepToTrace) -> Counter[Work]:
    """All parts of the work of one step with how often each occurs.

    Raises what a simulation raises, and `ValueError` for a model that timm does not know.
    """
    rules = Rules(torch=step.torch)
    build_step = timm_step(
        step.model, step.batch_size, step.image_size, step.mode, step.precision, step.layout, step.reparameterized
    )  # fmt: skip
    # The first step stands for all: only the optimizer's state is new in it, whose operators take next to no time.
    trace = trace_steps(build_step, META, rules, "fp32", iterations=1)
    return Counter(work for _, work in trace.work)
