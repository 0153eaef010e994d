"""What E3VA's highway adds to a step of the frozen backbone, form by form: real times on the CPU, in turns."""

import time
from statistics import median

import pytest
import torch
from torch import Tensor, nn

from bench.cases.methods import METHODS
from bench.cases.tasks import WORKLOADS
from e3va.backbones.swin import build_swin

BATCH, ROUNDS = (2, 3, 320, 512), 12
FORMS = ("fixed", "e3va-reference", "e3va")


class _Turns:
    """One step of each form after the other; the seconds of each."""

    def __init__(self) -> None:
        out_stages = WORKLOADS["voc"].out_stages
        self.models: dict[str, nn.Module] = {}
        for name in FORMS:
            torch.manual_seed(0)
            self.models[name] = (
                METHODS[name].load().apply(build_swin("swin_tiny", out_stages=out_stages, drop_path=0.2))
            )
        self.images = torch.randn(BATCH)
        with torch.no_grad():
            self.gradients = [torch.randn_like(feature) for feature in self.models["fixed"](self.images)]
        self.durations_s: dict[str, list[float]] = {name: [] for name in FORMS}

    def __call__(self) -> None:
        for name, model in self.models.items():
            start = time.perf_counter()
            self._step(model)
            self.durations_s[name].append(time.perf_counter() - start)
            model.zero_grad()

    def _step(self, model: nn.Module) -> None:
        maps: list[Tensor] = model(self.images)
        if maps[0].requires_grad:
            torch.autograd.backward(maps, self.gradients)

    def above_fixed_s(self, name: str) -> float:
        """The median over the rounds after the first, which warms up."""
        pairs = zip(self.durations_s[name][1:], self.durations_s["fixed"][1:], strict=True)
        return median(own - fixed for own, fixed in pairs)


@pytest.mark.slow
def test_fused_adds_at_most_half_of_what_plain_modules_add(benchmark) -> None:
    turns = _Turns()
    benchmark.group = "highway-swin_tiny-2x320x512"
    benchmark.pedantic(turns, rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats is None:  # --benchmark-disable: one round, to see that it runs
        return
    above_s = {name: turns.above_fixed_s(name) for name in FORMS}
    benchmark.extra_info.update(fixed_s=median(turns.durations_s["fixed"]), above_fixed_s=above_s)
    assert above_s["e3va"] <= above_s["e3va-reference"] / 2
