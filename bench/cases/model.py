"""The model of a case: the shared Swin, a method applied to it, and the task's detector around it."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from bench.cases.case import Case
from bench.cases.methods import METHODS
from bench.cases.tasks import WORKLOADS
from e3va.backbones.base import Backbone
from e3va.backbones.swin import build_swin


def build_model(
    case: Case,
    host: torch.device,
    *,
    drop_path: float | None = None,
    pretrained: bool | Path = False,
    **options: Any,
) -> tuple[nn.Module, Backbone]:
    """Build the detector of a case and its tuned backbone on `host`, with random values from the global generator.

    `drop_path` is the rate of the last block; by default the task's. `pretrained` is what `build_swin` takes; weights
    are loaded before the method changes the backbone. `options` are the detector's own, such as its widths. Raises
    `ValueError` for weights that do not fit.
    """
    workload = WORKLOADS[case.task]
    with host:
        swin = build_swin(
            case.backbone,
            window=case.window,
            out_stages=workload.out_stages,
            drop_path=workload.drop_path if drop_path is None else drop_path,
            fused_attention=case.fused_attention,
            checkpointing=case.checkpointing,
            pretrained=pretrained,
            device=host,
        )
        backbone = METHODS[case.method].load().apply(swin)
        if case.bf16_trunk:
            cast(Any, backbone).lower_trunk(torch.bfloat16)  # `lowers_trunk` says that it has one
        rois = {"rois_per_image": case.rois_per_image} if workload.has_rois else {}
        return workload.build(backbone, **{**rois, **options}), backbone
