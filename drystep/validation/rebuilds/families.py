"""The rebuilt steps by the names that `field_reports.csv` has for them."""

from collections.abc import Callable, Mapping

from drystep.validation.rebuilds.bert_large import bert_large
from drystep.validation.rebuilds.convnext_upernet import convnext_upernet
from drystep.validation.rebuilds.dilated_resnet import dilated_resnet
from drystep.validation.rebuilds.llama import llama_3b
from drystep.validation.rebuilds.mmcls_vit import mmcls_vit_base
from drystep.validation.rebuilds.segformer import segformer
from drystep.validation.rebuilds.swin import swin
from drystep.validation.rebuilds.timm_benchmark import timm_benchmark
from drystep.validation.rebuilds.training_step import BuildStep
from drystep.validation.rebuilds.vit_large import vit_large_adam, vit_large_adam_in_backward

FAMILIES: Mapping[str, Callable[..., BuildStep]] = {
    family.__name__: family
    for family in (
        swin, mmcls_vit_base, segformer, convnext_upernet, dilated_resnet, bert_large, vit_large_adam,
        vit_large_adam_in_backward, llama_3b, timm_benchmark,
    )
}  # fmt: skip
"""Function that returns a `build_step`, by its name."""
