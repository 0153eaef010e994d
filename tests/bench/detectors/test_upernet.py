import pytest
import torch
from torch import nn
from transformers import UperNetConfig
from transformers.models.upernet.modeling_upernet import UperNetFCNHead, UperNetHead

from bench.detectors.layers import BatchNorm, ConvNormRelu
from bench.detectors.upernet import FCNHead, UPerHead, UPerNet
from e3va.backbones.swin import build_swin

CHANNELS = [24, 48, 96, 192]


@pytest.mark.parametrize(("backbone", "whole"), [("swin_large", 233_759_936), ("swin_base", 121_279_716)])
def test_whole_model_has_the_published_parameters(backbone: str, whole: int) -> None:
    with torch.device("meta"):
        model = UPerNet(build_swin(backbone, device="meta"), num_classes=150)
    assert sum(p.numel() for p in model.parameters()) == whole


def _features() -> list[torch.Tensor]:
    return [torch.randn(2, c, 32 // 2**k, 24 // 2**k) for k, c in enumerate(CHANNELS)]


def _copy(source: nn.Module, target: ConvNormRelu) -> None:
    """Weights of transformers' conv module (conv, batch_norm) into ours."""
    target[0].load_state_dict(source.conv.state_dict())
    target[1].load_state_dict(source.batch_norm.state_dict())


def test_decoder_equals_transformers() -> None:
    reference = UperNetHead(UperNetConfig(num_labels=7), CHANNELS).eval()
    head = UPerHead(CHANNELS, num_classes=7).eval()
    for ours, theirs in zip(head.pooling.branches, reference.psp_modules.blocks, strict=True):
        _copy(theirs.layers[1], ours[1])
    _copy(reference.bottleneck, head.pooling.fuse)
    for ours, theirs in zip(head.laterals, reference.lateral_convs, strict=True):
        _copy(theirs, ours)
    for ours, theirs in zip(head.smooth, reference.fpn_convs, strict=True):
        _copy(theirs, ours)
    _copy(reference.fpn_bottleneck, head.fuse)
    head.classifier[1].load_state_dict(reference.classifier.state_dict())
    features = _features()
    torch.testing.assert_close(head(features), reference(list(features)))


def test_auxiliary_head_equals_transformers() -> None:
    reference = UperNetFCNHead(UperNetConfig(num_labels=7, auxiliary_in_channels=96), CHANNELS).eval()
    head = FCNHead(96, num_classes=7).eval()
    _copy(reference.convs[0], head[0])
    head[1][1].load_state_dict(reference.classifier.state_dict())
    features = _features()
    torch.testing.assert_close(head(features[2]), reference(features))


def test_ignored_pixels_change_no_loss(tiny_swin) -> None:
    model = UPerNet(tiny_swin(), num_classes=5).eval()
    images, labels = torch.randn(2, 3, 64, 64), torch.randint(5, (2, 64, 64))
    half = labels.clone()
    half[:, 32:] = 255
    other = half.clone()
    torch.testing.assert_close(model(images, half), model(images, other))
    assert model(images, half)["main"] != model(images, labels)["main"]


def test_trains_on_a_single_image(tiny_swin) -> None:
    """One image leaves one value per channel in the 1x1 pooled branch, which plain batch norm refuses."""
    model = UPerNet(tiny_swin(), num_classes=5)
    losses = model(torch.randn(1, 3, 32, 32), torch.randint(5, (1, 32, 32)))
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_single_value_is_normalised_with_running_statistics() -> None:
    norm = BatchNorm(4)
    norm(torch.randn(8, 4, 3, 3) * 3 + 1)
    x = torch.randn(1, 4, 1, 1)
    expected = nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    torch.testing.assert_close(norm.train()(x), expected)


def test_batch_norm_is_pytorchs_otherwise() -> None:
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(BatchNorm(4)(x), nn.BatchNorm2d(4)(x))


@pytest.mark.nightly
def test_learns_a_fixed_batch(tiny_swin) -> None:
    model = UPerNet(tiny_swin(), num_classes=5)
    images, labels = (
        torch.randn(2, 3, 64, 64),
        torch.randint(5, (2, 8, 8)).repeat_interleave(8, 1).repeat_interleave(8, 2),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = sum(model(images, labels).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
