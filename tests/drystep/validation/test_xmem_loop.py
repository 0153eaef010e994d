from dataclasses import replace

import pytest
import torch

from drystep.simulator import trace_steps
from drystep.trace.trace import Trace
from drystep.validation.ground_truth import SAMPLE, MeasuredRun, read_runs
from drystep.validation.networks import network_of
from drystep.validation.xmem_loop import build_loop

META = torch.device("meta")
TINY = replace(
    next(run for run in read_runs(SAMPLE) if run.model == "mobilenet_v2"),
    batch_size=2,
    image_size=(32, 32),
    iterations=2,
)


def _trace(run: MeasuredRun) -> Trace:
    return trace_steps(build_loop(run, network_of(run)), META, "torch-2.11", "fp32", run.iterations)


def _bytes(trace: Trace, category: str) -> int:
    return sum(a.requested_bytes for a in trace.allocations if a.category == category)


def test_a_classifier_has_its_published_size() -> None:
    trace = _trace(replace(TINY, optimizer="SGD"))
    statistics = 4 * 2 * 17_056 + 8 * 52  # running mean and variance of all channels, a counter per layer
    assert _bytes(trace, "parameters") == 4 * 3_504_872 + statistics  # torchvision's table: 3504872 parameters
    assert _bytes(trace, "optimizer_state") == 0


@pytest.mark.parametrize(("optimizer", "moments"), [("Adam", 2), ("AdamW", 2), ("RMSprop", 1), ("Adagrad", 1)])
def test_optimizers_keep_what_they_are_known_for(optimizer: str, moments: int) -> None:
    assert _bytes(_trace(replace(TINY, optimizer=optimizer)), "optimizer_state") == moments * 4 * 3_504_872


def _alive_per_iteration(trace: Trace, category: str) -> list[int]:
    """Bytes of a category that are alive when each iteration starts."""
    alive: set[int] = set()
    starts, totals = set(trace.iteration_starts), []
    for position, (index, born, _) in enumerate(trace.events):
        if position in starts:
            totals.append(
                sum(trace.allocations[i].requested_bytes for i in alive if trace.allocations[i].category == category)
            )
        (alive.add if born else alive.remove)(index)
    return totals


@pytest.mark.parametrize(("mode", "kept"), [(0, True), (1, True), (2, False)])
def test_zero_grad_stands_where_the_run_had_it(mode: int, kept: bool) -> None:
    """Gradients outlive an iteration unless they are dropped at its end."""
    alive = _alive_per_iteration(_trace(replace(TINY, zero_grad_mode=mode)), "gradients")
    assert alive == [0, 4 * 3_504_872 if kept else 0]


def test_the_loop_runs_for_real() -> None:
    run = replace(TINY, zero_grad_mode=2)
    network = network_of(run)
    step = build_loop(run, _OnCpu(network))(torch.device("cpu"))
    step()
    assert step.predicted.shape == (2,)
    assert step.loss.isfinite()


class _OnCpu:
    """A network with weights: what is built on meta has none."""

    def __init__(self, network) -> None:
        self._network = network

    def __getattr__(self, name: str):
        return getattr(self._network, name)

    def build(self) -> torch.nn.Module:
        import torchvision

        return torchvision.models.get_model(self._network.name, weights=None)

    def batch(self, device: torch.device) -> dict[str, torch.Tensor]:
        return {name: torch.zeros_like(tensor) for name, tensor in self._network.batch(device).items()}


def test_a_model_that_computes_its_widths_is_built_all_the_same() -> None:
    run = replace(TINY, model="regnet_x_400mf", num_classes=10, optimizer="SGD")
    assert _bytes(_trace(run), "parameters") > 4 * 5_495_976 - 4 * 990 * 401  # torchvision's table, less 990 classes


def test_a_language_model_has_its_published_size() -> None:
    pytest.importorskip("transformers")
    run = replace(TINY, kind="transformer", model="distilbert/distilgpt2", optimizer="SGD", iterations=1)
    assert _bytes(_trace(run), "parameters") == pytest.approx(4 * 81_912_576, rel=1e-6)  # the hub: 81.9 M parameters


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "lenet"}, "unknown torchvision model 'lenet': did you mean "),
        ({"kind": "transformer", "model": "gpt-17"}, "unknown language model 'gpt-17': did you mean gpt2"),
        ({"optimizer": "Lion"}, "unknown optimizer 'Lion': choose from "),
    ],
)
def test_unknown_names_are_refused(fields: dict[str, str], message: str) -> None:
    run = replace(TINY, **fields)
    with pytest.raises(ValueError, match=message):
        build_loop(run, network_of(run))


def test_without_transformers_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    run = replace(TINY, kind="transformer", model="gpt2")
    with pytest.raises(ValueError, match="pip install transformers"):
        build_loop(run, network_of(run))
