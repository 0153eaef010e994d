"""When the gradients of small models are ready, and what their exchange adds to a step."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from drystep import Gpu, Rules, simulate
from drystep.cuda.meta_cache import META
from drystep.gpus.classes import select_gpus
from drystep.simulation import Simulation
from drystep.simulator import trace_steps
from drystep.time.gradient_exchange import all_reduce_ms
from drystep.time.parameter_gradients import ParameterGradient, parameter_gradients
from drystep.trace.trace import Trace

V100 = select_gpus(["v100-32gb"])[0]
WIDTH = 8


class Twice(nn.Module):
    """A layer before and after another."""

    def __init__(self) -> None:
        super().__init__()
        self.outer, self.inner = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, 3 * WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(self.outer(x))[:, :WIDTH])


def _chain(width: int, count: int) -> nn.Module:
    return nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(count)])


def _build_step(make: Callable[[], nn.Module], width: int = WIDTH, rows: int = 4, passes: int = 1):
    def build_step(device: torch.device) -> Callable[[], None]:
        model = make().to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.empty(rows, width, device=device)

        def step() -> None:
            optimizer.zero_grad()
            for _ in range(passes):
                model(x).sum().backward()
            optimizer.step()

        return step

    return build_step


def _written_after_products(trace: Trace, gradients: list[ParameterGradient]) -> list[int]:
    """For each gradient, the number of matrix products of backward up to then."""
    begin = trace.first_operators[-1]
    products = [
        number
        for number in range(begin, len(trace.operators))
        if trace.operators[number].phase == "backward" and trace.operators[number].name == "mm.default"
    ]
    return [sum(product < gradient.operator for product in products) for gradient in gradients]


@pytest.mark.parametrize("rules", [Rules(), Rules(ddp=True), Rules(torch="1.12", ddp=True)], ids=["2", "ddp", "1.12"])
def test_gradients_in_the_order_of_readiness(rules: Rules) -> None:
    """Of the last layer first. Before PyTorch 2 they are kept between steps, and each step adds to them in place."""
    trace = simulate(_build_step(lambda: _chain(WIDTH, 3)), rules, gpus=[V100]).trace
    (gradients,) = parameter_gradients(trace)
    assert [gradient[1:] for gradient in gradients] == [(4 * WIDTH * WIDTH, torch.float32)] * 3
    # Of each layer the gradient of the weight is a product, and that of its input another, which the first has none of.
    assert _written_after_products(trace, gradients) in ([1, 3, 5], [2, 4, 5])


@pytest.mark.parametrize("rules", [Rules(), Rules(torch="1.12")], ids=["2", "1.12"])
def test_a_parameter_that_is_used_twice_is_ready_after_the_sum(rules: Rules) -> None:
    trace = simulate(_build_step(Twice), rules, gpus=[V100]).trace
    (gradients,) = parameter_gradients(trace)
    assert [gradient.size_bytes for gradient in gradients] == [3 * 4 * WIDTH * WIDTH, 4 * WIDTH * WIDTH]
    assert _written_after_products(trace, gradients)[-1] == 5


def test_of_several_backward_passes_the_last_counts() -> None:
    trace = simulate(_build_step(lambda: _chain(WIDTH, 2), passes=2), gpus=[V100]).trace
    (gradients,) = parameter_gradients(trace)
    assert len(gradients) == 2
    assert min(_written_after_products(trace, gradients)) > 3


@pytest.mark.parametrize("rules", [Rules(), Rules(torch="1.12")], ids=["2", "1.12"])
def test_a_step_that_repeats_has_the_same(rules: Rules) -> None:
    """Whether the last step runs, or is written into the trace as one that repeats the step before it."""
    build_step = _build_step(Twice)
    ran, repeated = (trace_steps(build_step, META, rules, repeats=repeats) for repeats in (False, True))
    assert parameter_gradients(repeated) == parameter_gradients(ran)


def test_each_step_that_counts_has_its_own() -> None:
    trace = simulate(_build_step(lambda: _chain(WIDTH, 3)), gpus=[V100], iterations=4, steady_steps=2).trace
    first, second = parameter_gradients(trace)
    length = trace.first_operators[-1] - trace.first_operators[-2]
    assert [gradient.operator + length for gradient in first] == [gradient.operator for gradient in second]


MIB = 1 << 20


@pytest.fixture(scope="module")
def wide() -> Simulation:
    """Layers of 16 MiB: buckets of the first, of two, and of the last one alone."""
    return simulate(_build_step(lambda: _chain(2048, 4), width=2048, rows=64), Rules(ddp=True), gpus=[V100])


def test_the_exchange_delays_the_end_of_backward(wide: Simulation) -> None:
    alone, four = wide.step_time(V100), wide.step_time(V100, ranks=4)
    assert alone.exchange is None
    assert four.exchange is not None
    by_hand_ms = sum(all_reduce_ms(size, 4, V100.peaks, "") for size in (16 * MIB, 32 * MIB, 16 * MIB))
    assert (four.exchange.buckets, four.exchange.size_bytes) == (3, 64 * MIB)
    assert four.exchange.all_reduce_ms == pytest.approx(by_hand_ms)
    # The ring starts when the gradient of the last layer is there, and backward is far shorter than the exchange.
    assert by_hand_ms - alone.backward_ms < four.exchange.exposed_ms < by_hand_ms
    assert four.backward_ms == pytest.approx(alone.backward_ms + four.exchange.exposed_ms)
    assert four.forward_ms == alone.forward_ms
    assert four.step_ms == pytest.approx(alone.step_ms + four.exchange.exposed_ms)
    assert four.launch_bound_ms == pytest.approx(alone.launch_bound_ms, abs=1e-9)


def test_on_a_fast_link_only_the_last_bucket_is_exposed(wide: Simulation) -> None:
    """Even without latency of importance: it is ready no sooner than backward ends."""
    fast = replace(V100, peaks=replace(V100.peaks, link="nvlink", link_gbs=10_000.0))
    found = wide.step_time(fast, ranks=2).exchange
    assert found is not None
    assert found.exposed_ms == pytest.approx(all_reduce_ms(16 * MIB, 2, fast.peaks, ""), rel=1e-6)


def test_a_card_whose_link_is_not_known(wide: Simulation) -> None:
    unlinked = replace(V100, name="mine", peaks=replace(V100.peaks, link="", link_gbs=None))
    assert wide.step_time(unlinked).step_ms > 0
    with pytest.raises(ValueError, match="mine has no link_gbs: the exchange of gradients between cards needs it"):
        wide.step_time(unlinked, ranks=2)


def test_impossible_ranks(wide: Simulation) -> None:
    with pytest.raises(ValueError, match="ranks must be between 1 and 1024, got 0"):
        wide.step_time(V100, ranks=0)


def test_a_step_without_gradients_has_nothing_to_exchange() -> None:
    def build_step(device: torch.device):
        layer = nn.Linear(WIDTH, WIDTH).to(device)
        x = torch.empty(4, WIDTH, device=device)
        return lambda: layer(x)

    simulation = simulate(build_step, gpus=[V100])
    assert isinstance(V100, Gpu)
    assert simulation.step_time(V100).step_ms > 0
    with pytest.raises(ValueError, match="nothing to exchange: no optimizer of PyTorch takes gradients"):
        simulation.step_time(V100, ranks=2)
