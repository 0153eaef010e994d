"""Small steps of torchvision's families: classification, segmentation, video, flow and detection."""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import VisionTransformer, get_model
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformer, SwinTransformerBlockV2
from torchvision.models.video.mvit import MSBlockConfig, MViT
from torchvision.models.video.swin_transformer import SwinTransformer3d

from tests.drystep.real_runs.training import BuildStep, images, mean, training


def _build(name: str, **options: Any) -> Callable[[], nn.Module]:
    return functools.partial(get_model, name, weights=None, **options)


def _classified(name: str, side: int = 64, **options: Any) -> BuildStep:
    return training(_build(name, num_classes=10, **options), lambda device: images(device, side), mean)


def _segmented(name: str) -> BuildStep:
    """With the loss of the auxiliary head, as torchvision's reference script has it."""

    def loss(output: dict[str, Tensor]) -> Tensor:
        labels = torch.ones(2, 64, 64, dtype=torch.int64, device=output["out"].device)
        return F.cross_entropy(output["out"], labels) + 0.5 * F.cross_entropy(output["aux"], labels)

    return training(_build(name, weights_backbone=None, num_classes=5, aux_loss=True), images, loss)


def _clip(device: torch.device, frames: int, side: int) -> tuple[Tensor, ...]:
    return (torch.rand(1, 3, frames, side, side, device=device),)


def _video(name: str, frames: int, side: int) -> BuildStep:
    return training(_build(name, num_classes=10), lambda device: _clip(device, frames, side), mean)


def _small_mvit() -> nn.Module:
    shared = {"num_heads": 2, "output_channels": 32, "kernel_q": [3, 3, 3], "kernel_kv": [3, 3, 3]}
    blocks = [
        MSBlockConfig(input_channels=16, stride_q=[1, 1, 1], stride_kv=[1, 4, 4], **shared),
        MSBlockConfig(input_channels=32, stride_q=[1, 2, 2], stride_kv=[1, 2, 2], **shared),
    ]
    pooled = {"residual_pool": True, "residual_with_cls_embed": False, "rel_pos_embed": True, "proj_after_attn": True}
    return MViT((64, 64), 8, blocks, num_classes=10, **pooled)


def _flow(name: str) -> BuildStep:
    def pair(device: torch.device) -> tuple[Tensor, ...]:
        return images(device, 128, 1) * 2

    model = _build(name)
    return training(lambda: model(), pair, lambda flows: sum(flow.abs().mean() for flow in flows))


def _detected(name: str, side: int = 64, **options: Any) -> BuildStep:
    """Two images with two objects each; the second has its boxes elsewhere."""
    boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0], [10.0, 20.0, 60.0, 60.0]])
    points = torch.tensor([[[20.0, 20.0, 1.0]] * 17, [[30.0, 40.0, 1.0]] * 17])
    masks = torch.zeros(2, side, side, dtype=torch.uint8)
    masks[:, 20:40, 20:40] = 1

    def inputs(device: torch.device) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        target = {"boxes": boxes, "labels": torch.tensor([1, 1]), "masks": masks, "keypoints": points}
        given = [target, {**target, "boxes": boxes - 4}]
        return list(images(device, side)[0]), [
            {key: _copy(value, device) for key, value in each.items()} for each in given
        ]

    if "ssd" not in name:
        options |= {"min_size": side, "max_size": side}
    model = _build(name, weights_backbone=None, num_classes=2, **options)
    return training(model, inputs, lambda losses: sum(losses.values()))


def _copy(tensor: Tensor, device: torch.device) -> Tensor:
    """As a copy also on the CPU."""
    return tensor.clone() if device.type == "cpu" else tensor.to(device)


def _small_swin3d() -> nn.Module:
    windows = {"patch_size": [2, 4, 4], "window_size": [4, 4, 4]}
    return SwinTransformer3d(embed_dim=24, depths=[2, 2], num_heads=[2, 4], num_classes=10, **windows)


TORCHVISION: dict[str, BuildStep] = {
    "resnet18": _classified("resnet18"),
    "googlenet": training(
        _build("googlenet", num_classes=10, init_weights=False), lambda device: images(device, 96),
        lambda output: output.logits.mean() + output.aux_logits1.mean() + output.aux_logits2.mean(),
    ),
    "shufflenet": _classified("shufflenet_v2_x0_5"),
    "mnasnet": _classified("mnasnet0_5"),
    "efficientnet": _classified("efficientnet_b0"),
    "squeezenet": _classified("squeezenet1_1"),
    "convnext": _classified("convnext_tiny"),
    "swin_v2": training(
        lambda: SwinTransformer([4, 4], 24, [2, 2], [2, 4], [4, 4], block=SwinTransformerBlockV2, num_classes=10,
                                downsample_layer=PatchMergingV2), images, mean,
    ),
    "vit": training(lambda: VisionTransformer(64, 16, 2, 4, 32, 64, num_classes=10), images, mean),
    "fcn": _segmented("fcn_resnet50"),
    "deeplabv3": _segmented("deeplabv3_mobilenet_v3_large"),
    "lraspp": training(
        _build("lraspp_mobilenet_v3_large", weights_backbone=None, num_classes=5), images, lambda o: o["out"].mean()
    ),
    "r3d": _video("r3d_18", 4, 32),
    "mvit": training(_small_mvit, lambda device: _clip(device, 8, 64), mean),
    "swin3d": training(_small_swin3d, lambda device: _clip(device, 8, 64), mean),
    "raft": _flow("raft_small"),
    "fasterrcnn": _detected("fasterrcnn_mobilenet_v3_large_320_fpn"),
    "maskrcnn": _detected("maskrcnn_resnet50_fpn"),
    "keypointrcnn": _detected("keypointrcnn_resnet50_fpn"),
    "retinanet": _detected("retinanet_resnet50_fpn"),
    "fcos": _detected("fcos_resnet50_fpn"),
    "ssdlite": _detected("ssdlite320_mobilenet_v3_large"),
}  # fmt: skip
"""Family -> a step of one of its models."""
