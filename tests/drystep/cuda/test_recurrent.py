"""Recurrent layers as one call of cuDNN. Sizes are by arithmetic, and those that pytorch#2895 prints."""

import pytest
import torch
from torch import nn

from drystep import simulate
from drystep.operators import Work

PRINTED = {"LSTM": (736_000_000, 17_730_560), "GRU": (864_000_000, 13_169_920)}
"""Reserve space and workspace of 4 layers of 320 units on 123 features; 100 samples of 250 steps are inferred."""


def _build(kind: str, train: bool = True, **options):
    def build(device: torch.device):
        layers = getattr(nn, kind)(123, 320, num_layers=4, **options).to(device).train(train)
        samples = torch.empty(250, 100, 123, device=device)
        return lambda: layers(samples)[0].sum().backward()

    return build


@pytest.mark.parametrize("kind", PRINTED)
def test_sizes_are_those_that_pytorch_printed(kind: str) -> None:
    reserve_bytes, workspace_bytes = PRINTED[kind]
    trace = simulate(_build(kind)).trace
    of_forward = [a for a in trace.allocations if trace.operators[a.operator].name == "recurrent.default"]
    assert reserve_bytes in {a.requested_bytes for a in of_forward}
    (workspace,) = {a.requested_bytes for a in of_forward if a.category == "workspace"}
    assert workspace == pytest.approx(workspace_bytes, rel=0.001)


def test_gradients_have_the_weights_shapes_and_one_storage() -> None:
    layers: list[nn.Module] = []

    def build(device: torch.device):
        layers[:] = [nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True).to(device)]
        samples = torch.empty(4, 10, 8, device=device)

        def step() -> None:
            layers[0].zero_grad()
            output, (last, cells) = layers[0](samples)
            assert output.shape == (4, 10, 32) and last.shape == cells.shape == (4, 4, 16)
            (output.sum() + last.sum()).backward()
            weights = list(layers[0].parameters())
            assert all(weight.grad.shape == weight.shape for weight in weights)
            total_bytes = 4 * sum(weight.numel() for weight in weights)
            assert {weight.grad.untyped_storage().nbytes() for weight in weights} == {total_bytes}

        return step

    simulate(build)


def test_work_is_that_of_its_products() -> None:
    trace = simulate(_build("LSTM")).trace
    work: dict[str, Work] = {trace.operators[at].name: each for at, each in trace.work}
    matrices = 4 * 320 * (123 + 7 * 320)
    assert work["recurrent.default"].flops == 2 * 250 * 100 * matrices
    assert work["recurrent_backward.default"].flops == 2 * work["recurrent.default"].flops
    assert work["recurrent.default"].kernels == 2 * 4


def test_half_precision_halves_what_is_kept() -> None:
    single, half = (simulate(_build("GRU"), precision=each).peak_allocated_bytes for each in ("fp32", "amp-fp16"))
    assert half < 0.6 * single


@pytest.mark.parametrize("options", [{"proj_size": 64}, {}], ids=["projected", "bfloat16"])
def test_what_cudnn_does_not_take_runs_as_cells(options: dict) -> None:
    precision = "fp32" if options else "amp-bf16"
    build = _small(**options)
    names = {operator.name for operator in simulate(build, precision=precision).trace.operators}
    assert "recurrent.default" not in names


def _small(**options):
    def build(device: torch.device):
        layers = nn.LSTM(12, 128, **options).to(device)
        samples = torch.empty(3, 2, 12, device=device)
        return lambda: layers(samples)[0].sum().backward()

    return build
