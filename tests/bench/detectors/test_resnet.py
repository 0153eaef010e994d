import pytest
import torch
import torchvision
from torch import nn

from bench.detectors.resnet import LAYOUTS, ResNetBackbone
from bench.detectors.retinanet import RetinaNet

META = torch.device("meta")


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101", "resnext101_64x4d"])
def test_has_the_weights_of_torchvision(name: str) -> None:
    with META:
        backbone, whole = ResNetBackbone(name), getattr(torchvision.models, name)()
    whole.fc = nn.Identity()
    shapes = [[parameter.shape for parameter in net.parameters()] for net in (backbone, whole)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet18", 21.3),
        ("resnet50", 37.7),
        ("resnet101", 56.7),
        ("resnext101_32x4d", 56.4),
        ("resnext101_64x4d", 95.5),
    ],
)
def test_retinanet_trains_as_many_parameters_as_in_mmdetection(name: str, millions: float) -> None:
    """The first table of detectors in Wang et al. 2021, "Pyramid Vision Transformer", which used mmdetection."""
    with META:
        model = RetinaNet(ResNetBackbone(name), num_classes=80)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("caffe", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_maps_have_strides_8_16_and_32(name: str, caffe: bool) -> None:
    with META:
        backbone, images = ResNetBackbone(name, caffe), torch.empty(2, 3, 64, 96)
    shapes = [tuple(feature.shape) for feature in backbone(images)]
    sizes = [(8, 12), (4, 6), (2, 3)]
    assert shapes == [(2, channels, *size) for channels, size in zip(backbone.out_channels, sizes, strict=True)]


def test_computes_what_torchvision_does() -> None:
    whole = torchvision.models.resnet18().eval()
    backbone = ResNetBackbone("resnet18")
    backbone.load_state_dict(dict(zip(backbone.state_dict(), whole.state_dict().values(), strict=False)))
    images = torch.randn(1, 3, 64, 64)
    x = whole.layer1(whole.maxpool(whole.relu(whole.bn1(whole.conv1(images)))))
    for stage, feature in zip((whole.layer2, whole.layer3, whole.layer4), backbone(images), strict=True):
        x = stage(x)
        torch.testing.assert_close(feature, x)


def test_freezes_what_mmdetection_freezes() -> None:
    with META:
        backbone = ResNetBackbone("resnet50").train()
        caffe = ResNetBackbone("resnet50", caffe=True)
    frozen = {name.split(".")[0] for name, p in backbone.named_parameters() if not p.requires_grad}
    trained = {name.split(".")[0] for name, p in backbone.named_parameters() if p.requires_grad}
    assert (frozen, trained) == ({"frozen"}, {"stages"})
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 53
    assert not any(norm.training for norm in norms)
    assert backbone.stages.training
    trained_dims = {p.dim() for p in caffe.parameters() if p.requires_grad}
    assert trained_dims == {4}  # convolutions, and no norm


def test_the_caffe_style_has_its_stride_in_the_first_convolution() -> None:
    with META:
        blocks = [stage[0] for stage in ResNetBackbone("resnext101_32x4d", caffe=True).stages]
    assert [(block.conv1.stride, block.conv2.stride) for block in blocks] == [((2, 2), (1, 1))] * 3
