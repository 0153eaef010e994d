"""Which operators of real models have no rule: only those whose one kernel reads and writes every tensor once."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from drystep import Oracles, simulator
from drystep.cuda.meta_operators import MetaOperators
from drystep.operators import registered
from drystep.simulator import trace_steps
from drystep.time import work
from drystep.time.rare_work import RULES
from drystep.values.oracle_lookup import OracleLookup
from drystep.values.reads import Reads

aten = torch.ops.aten
META = torch.device("meta")
POINTWISE = (
    "abs abs_ add add_ bitwise_and bitwise_and_ bitwise_not bitwise_or clamp clamp_min div div_ elu eq exp floor ge "
    "gelu gelu_backward gt hardsigmoid hardsigmoid_backward hardswish hardswish_ hardswish_backward hardtanh hardtanh_ "
    "hardtanh_backward isinf le log log2 logical_not lt masked_fill masked_fill_ maximum minimum mul mul_ ne neg pow "
    "reciprocal relu relu_ rsub sigmoid sigmoid_backward silu silu_ silu_backward smooth_l1_loss_backward "
    "mse_loss_backward sqrt sub sub_ tanh tanh_backward threshold_backward where"
)
"""Operators with one kernel over all values, for which nothing else is to be counted."""
OF_MAIN_RULES = (
    "any avg_pool2d avg_pool2d_backward linalg_vector_norm _log_softmax_backward_data max max_pool2d_with_indices "
    "max_pool2d_with_indices_backward mean min native_batch_norm native_batch_norm_backward native_group_norm "
    "native_group_norm_backward sum"
)
"""Reductions, windows and norms, which are the business of `drystep.time.work`."""
NO_KERNEL = "as_strided_ _record_function_exit"
"""Operators that have nothing to count."""


def _classifier(model: nn.Module, size: int) -> Callable[[torch.device], Callable[[], None]]:
    def build(device: torch.device) -> Callable[[], None]:
        moved = model.to(device)
        optimizer = torch.optim.AdamW(moved.parameters())
        images = torch.empty(2, 3, size, size, device=device)
        labels = torch.empty(2, dtype=torch.long, device=device)

        def step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(moved(images), labels).backward()
            nn.utils.clip_grad_norm_(moved.parameters(), 1.0)
            optimizer.step()

        return step

    return build


def _segmenter(model: nn.Module) -> Callable[[torch.device], Callable[[], None]]:
    def build(device: torch.device) -> Callable[[], None]:
        moved = model.to(device)
        images, labels = torch.empty(2, 3, 64, 64, device=device), torch.empty(2, 64, 64, device=device).long()
        return lambda: F.cross_entropy(moved(images)["out"], labels).backward()

    return build


def _detector(model: nn.Module) -> Callable[[torch.device], Callable[[], None]]:
    def build(device: torch.device) -> Callable[[], None]:
        moved = model.to(device)
        targets = [
            {"boxes": torch.empty(4, 4, device=device), "labels": torch.empty(4, dtype=torch.long, device=device)}
        ]

        def step() -> None:
            losses: dict[str, Tensor] = moved([torch.empty(3, 128, 128, device=device)], targets)
            torch.stack(list(losses.values())).sum().backward()

        return step

    return build


def _builds() -> dict[str, Callable[[], Callable[[torch.device], Callable[[], None]]]]:
    bare = {"weights": None, "weights_backbone": None}
    return {
        "mobilevit": lambda: _classifier(timm.create_model("mobilevit_xxs", num_classes=10), 64),
        "swin": lambda: _classifier(
            timm.create_model("swinv2_cr_tiny_ns_224", img_size=64, window_size=2, depths=(1, 1, 1, 1)), 64
        ),
        "shufflenet": lambda: _classifier(models.shufflenet_v2_x0_5(weights=None), 64),
        "lraspp": lambda: _segmenter(models.segmentation.lraspp_mobilenet_v3_large(**bare)),
        "faster_rcnn": lambda: _detector(models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(**bare, num_classes=5)),
    }


def is_moved_once(func: Any) -> bool:
    """Whether an operator is counted by the default rule: every tensor read or written once, by one kernel."""
    stated = registered(func)
    if stated is not None and stated.work is not None:
        return False
    if any(func.overloadpacket in packets for packets in RULES.values()):
        return False
    rule = work._own_rule_of(func)
    return rule is not None and rule.__name__.strip("_") == "moved"


def uncounted(build: Callable[[torch.device], Callable[[], None]], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the operators of a training step that have no rule of their own."""
    names: set[str] = set()
    count = simulator.work_of

    def noting(func: Any, args: Sequence[Any], kwargs: Any, result: Any) -> Any:
        if is_moved_once(func):
            names.add(func.overloadpacket.__name__)
        return count(func, args, kwargs, result)

    monkeypatch.setattr(simulator, "work_of", noting)
    operators = MetaOperators(Reads(OracleLookup(Oracles(rows=8, item=0)), 0))
    trace_steps(build, META, iterations=1, operators=operators)
    return names


@pytest.mark.parametrize("model", _builds())
def test_what_has_no_rule_is_pointwise(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = uncounted(_builds()[model](), monkeypatch)
    assert names, "every model adds and multiplies"
    known = f"{POINTWISE} {OF_MAIN_RULES} {NO_KERNEL}".split()
    assert names <= set(known)


def test_each_operator_has_one_rule() -> None:
    packets = [packet for packets in RULES.values() for packet in packets]
    assert len(packets) == len(set(packets))
    assert all(packets for packets in RULES.values()), "a rule counts nothing: its operators have other names here"


@pytest.mark.parametrize(
    "name",
    [
        "_grouped_mm", "_fft_r2c", "linalg_qr", "grid_sampler_2d_backward", "upsample_bilinear2d", "sort", "topk",
        "cumsum", "index_put", "scatter_add", "embedding_dense_backward", "_ctc_loss", "_cdist_forward", "im2col",
        "reflection_pad2d_backward", "_adaptive_avg_pool2d", "nll_loss_forward", "_weight_norm_interface",
    ],
)  # fmt: skip
def test_rules_cover_each_family(name: str) -> None:
    assert not any(
        is_moved_once(getattr(getattr(aten, name), overload)) for overload in getattr(aten, name).overloads()
    )
