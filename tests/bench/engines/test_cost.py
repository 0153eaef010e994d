"""The cost of a method, against counters and hooks of PyTorch on the same case, and the paper's argument about it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench import Case, Result, measure
from bench.cases.saved_tensors import saved_for_backward_bytes
from bench.cases.training_step import prepare
from drystep.torch_private import key_of

SMALL = Case(task="voc", method="full", backbone="swin_tiny", image_size=(64, 96), engine="simulate")
METHODS = ("full", "fixed", "partial1", "lora", "e3va-reference", "e3va", "e3va-recompute")
IMAGES_BYTES = 2 * 4 * 3 * 64 * 96
MAPS_BYTES = 2 * 4 * sum(channels * 64 * 96 // stride**2 for channels, stride in ((192, 8), (384, 16), (768, 32)))
"""Of the maps that the backbone of `SMALL` returns, which the neck keeps."""


@pytest.fixture(scope="module")
def costs() -> dict[str, dict[str, float]]:
    return {method: dict(measure(replace(SMALL, method=method)).cost) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_operations_are_what_pytorch_counts_in_a_step_that_runs(
    method: str, costs: dict[str, dict[str, float]]
) -> None:
    step = prepare(replace(SMALL, method=method), torch.device("cpu")).build_step(torch.device("cpu"))
    step.batch = next(step.batches)
    with FlopCounterMode(display=False) as forward:
        loss = step.loss(*step.batch)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    cost = costs[method]
    assert (cost["forward_flops"], cost["backward_flops"]) == (forward.get_total_flops(), backward.get_total_flops())


@pytest.mark.parametrize("method", METHODS)
def test_saved_bytes_are_what_hooks_see_and_the_loss(method: str, costs: dict[str, dict[str, float]]) -> None:
    """On a CPU that really executes the case: distinct storages, without weights, statistics and the batch."""
    prepared = prepare(replace(SMALL, method=method), torch.device("cpu"))
    step = prepared.build_step(torch.device("cpu"))
    images, targets = step.batch = next(step.batches)
    known = [*step.model.parameters(), *step.model.buffers(), images, targets.boxes, targets.labels]
    known_keys = {key_of(tensor.untyped_storage()) for tensor in known}
    saved: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if key_of(storage) not in known_keys:
            saved[key_of(storage)] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = step.loss(images, targets)
    kept = sum(storage.nbytes() for storage in saved.values())
    assert costs[method]["saved_bytes"] == kept + 2 * loss.nbytes  # the loss, and the one that backward begins with


@pytest.mark.parametrize("method", METHODS)
def test_the_backbone_keeps_what_it_saves_and_the_maps_that_it_returns(
    method: str, costs: dict[str, dict[str, float]]
) -> None:
    """Images count for the hooks where the first layer trains or runs again; no step allocates them."""
    saved = saved_for_backward_bytes(replace(SMALL, method=method))
    images = IMAGES_BYTES if method in ("full", "e3va-recompute") else 0
    assert costs[method]["backbone_saved_bytes"] == saved - images + MAPS_BYTES


def test_a_frozen_backbone_has_no_backward_and_a_highway_a_short_one(costs: dict[str, dict[str, float]]) -> None:
    """Section 3.4 of the paper: adapters inside the backbone propagate through all of it, a highway through itself."""
    backward = {
        method: cost["backbone_backward_flops"] / cost["backbone_forward_flops"] for method, cost in costs.items()
    }
    assert backward["fixed"] == 0
    assert backward["full"] == pytest.approx(2, rel=0.05)  # gradients of inputs and of weights
    assert backward["lora"] == pytest.approx(1, rel=0.15)  # of inputs, and of the few weights that train
    assert backward["e3va-reference"] < 0.25


def test_a_result_with_its_cost_comes_back() -> None:
    result = measure(SMALL)
    assert Result.from_json(result.to_json()) == result
    assert result.cost.keys() >= {"stored_bytes", "backbone_stored_bytes"}
    assert result.cost["stored_bytes"] - result.cost["backbone_stored_bytes"] == pytest.approx(
        4 * (result.params["trainable_total"] - result.params["trainable_backbone"]), rel=0.01
    )


@pytest.mark.parametrize(
    ("backbone", "window", "side", "published_gmac"),
    [
        ("swin_tiny", 7, 224, 4.5), ("swin_small", 7, 224, 8.7), ("swin_base", 7, 224, 15.4),
        ("swin_base", 12, 384, 47.0), ("swin_large", 12, 384, 103.9),
    ],
)  # fmt: skip
def test_the_forward_pass_of_a_swin_has_its_published_operations(
    backbone: str, window: int, side: int, published_gmac: float
) -> None:
    """Liu et al. 2021, Table 1: multiplications with their additions of one image, to a decimal, all stages."""
    case = Case(
        task="ade20k", method="fixed", backbone=backbone, window=window, batch_size=1, image_size=(side, side),
        engine="simulate",
    )  # fmt: skip
    gmac = measure(case).cost["backbone_forward_flops"] / 2 / 1e9
    assert gmac == pytest.approx(published_gmac, abs=0.05 + 0.005 * published_gmac)
