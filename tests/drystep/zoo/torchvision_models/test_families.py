"""Models of each family of torchvision with default settings: some at every change, all of them at night."""

import pytest
import torch
import torchvision
from torchvision.models import get_model, list_models

from tests.drystep.zoo.steps import simulated

ALWAYS = ("resnet18", "squeezenet1_1", "vgg11", "fcn_resnet50", "r3d_18", "ssd300_vgg16", "mc3_18")
"""One quick model of each kind."""
NIGHTLY = (
    "alexnet", "convnext_tiny", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50", "deeplabv3_resnet101",
    "densenet121", "efficientnet_b0", "efficientnet_v2_s", "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fcn_resnet101",
    "fcos_resnet50_fpn", "googlenet", "inception_v3", "keypointrcnn_resnet50_fpn", "lraspp_mobilenet_v3_large",
    "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2", "maxvit_t", "mnasnet1_0", "mobilenet_v2",
    "mobilenet_v3_small", "mvit_v1_b", "mvit_v2_s", "r2plus1d_18", "raft_large", "raft_small", "regnet_y_400mf",
    "resnet50", "resnext50_32x4d", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "s3d", "shufflenet_v2_x0_5",
    "ssdlite320_mobilenet_v3_large", "swin3d_b", "swin3d_s", "swin3d_t", "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_16",
    "wide_resnet50_2",
)  # fmt: skip
NAMES = [*ALWAYS, *(pytest.param(name, marks=pytest.mark.nightly) for name in NIGHTLY)]
PACKAGES = ("detection", "segmentation", "video", "optical_flow")


def _model_bytes(name: str) -> tuple[int, int]:
    """Bytes of the parameters, and of parameters and buffers, of the model with the head of its default weights."""
    options = {"weights_backbone": None} if name in _of("detection", "segmentation") else {}
    if name in _of("segmentation") - {"lraspp_mobilenet_v3_large"}:
        options["aux_loss"] = True
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    if "regnet" in name:
        model = get_model(name)
    else:
        with torch.device("meta"):
            model = get_model(name, **options)
    tensors = list(model.parameters())
    return sum(tensor.nbytes for tensor in tensors), sum(tensor.nbytes for tensor in [*tensors, *model.buffers()])


def _of(*packages: str) -> set[str]:
    return {name for package in packages for name in list_models(module=getattr(torchvision.models, package))}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_each_family_is_simulated_by_default_settings(name: str) -> None:
    """Parameters, gradients and the two states of AdamW: four times the bytes of the parameters, at the least."""
    simulation = simulated(f"torchvision:{name}")
    allocated = [part for part in simulation.trace.allocations if part.category == "parameters"]
    parameter_bytes, model_bytes = _model_bytes(name)
    assert sum(part.requested_bytes for part in allocated) == model_bytes
    assert simulation.peak_allocated_bytes > 4 * parameter_bytes
    assert simulation.warnings == ()


def test_all_families_are_tried() -> None:
    tried = {*ALWAYS, *NIGHTLY}
    assert _of(*PACKAGES) <= tried
    assert len(tried) >= 40
