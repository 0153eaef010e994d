"""Small steps of timm's families, with attention in parts, because its fused kernels are CUDA's alone."""

import functools
from typing import Any

import timm
from torch import nn

from tests.drystep.real_runs.training import BuildStep, images, mean, training


def _model(name: str, **options: Any) -> nn.Module:
    model = timm.create_model(name, pretrained=False, num_classes=10, **options)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return model


def _step(name: str, side: int = 64, **options: Any) -> BuildStep:
    return training(functools.partial(_model, name, **options), lambda device: images(device, side), mean)


TIMM: dict[str, BuildStep] = {
    "regnety": _step("regnety_002"),
    "mobilenetv3": _step("mobilenetv3_small_050"),
    "efficientnetv2": _step("test_efficientnet"),
    "densenet": _step("densenet121", growth_rate=8, block_config=(2, 2, 2, 2)),
    "convnextv2": _step("convnextv2_atto", depths=(1, 1, 2, 1), drop_path_rate=0.1),
    "vit": _step("vit_tiny_patch16_224", img_size=64, depth=2, drop_path_rate=0.1),
    "deit3": _step("deit3_small_patch16_224", img_size=64, depth=2),
    "beit": _step("beitv2_base_patch16_224", img_size=64, depth=2, embed_dim=48, num_heads=4),
    "eva02": _step("eva02_tiny_patch14_224", side=56, img_size=56, depth=2),
    "swin": _step("swin_tiny_patch4_window7_224", img_size=64, window_size=4, embed_dim=24, depths=(2, 2, 1, 1)),
    "maxvit": _step("maxvit_rmlp_pico_rw_256", img_size=64),
    "coatnet": _step("coatnet_pico_rw_224", img_size=64),
    "mixer": _step("gmixer_12_224", img_size=64),
    "poolformer": _step("poolformer_s12"),
    "xcit": _step("xcit_nano_12_p16_224", img_size=64, depth=2),
    "levit": _step("levit_128s", side=224),
    "pvt_v2": _step("pvt_v2_b0", depths=(1, 1, 1, 1)),
    "ghostnet": _step("ghostnetv2_100"),
    "sequencer": _step("sequencer2d_s", img_size=64, layers=(1, 1, 1, 1)),
    "nfnet": _step("nf_regnet_b0"),
}  # fmt: skip
"""Family -> a step of one of its models."""
