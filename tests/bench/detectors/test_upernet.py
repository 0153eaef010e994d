import copy
import math

import pytest
import torch
from torch import Tensor, nn
from transformers import UperNetConfig
from transformers.models.upernet.modeling_upernet import UperNetFCNHead, UperNetHead

from bench.detectors.layers import BatchNorm, ConvNormRelu
from bench.detectors.upernet import AUXILIARY_INPUT, FCNHead, UPerHead, UPerNet, _segmentation_loss
from e3va.backbones.swin import build_swin
from e3va.backbones.trained_state import load_trainable_state_dict, trainable_state_dict

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


def test_ignored_pixels_count_as_zero_in_the_mean() -> None:
    """One pixel has probabilities of 1/4 and 3/4, and the first class; the other is ignored."""
    logits = torch.tensor([[[[0.0, 7.0]], [[math.log(3), -7.0]]]], requires_grad=True)  # (1, 2 classes, 1, 2)
    loss = _segmentation_loss(logits, torch.tensor([[[0, 255]]]))
    assert loss.item() == pytest.approx(math.log(4) / 2)
    loss.backward()
    # Half of the probabilities minus one for the class; nothing where the pixel is ignored.
    torch.testing.assert_close(logits.grad, torch.tensor([[[[-3 / 8, 0.0]], [[3 / 8, 0.0]]]]))


def test_an_undecided_network_loses_the_log_of_the_classes_at_pixels_with_a_label(tiny_swin) -> None:
    model = UPerNet(tiny_swin(), num_classes=5)
    for classifier in (model.head.classifier[1], model.auxiliary_head[1][1]):
        nn.init.zeros_(classifier.weight)
    labels = torch.randint(5, (2, 64, 64))
    labels[:, 40:] = 255
    losses = model(torch.randn(2, 3, 64, 64), labels)
    assert losses["main"].item() == pytest.approx(math.log(5) * 40 / 64)
    assert losses["auxiliary"].item() == pytest.approx(0.4 * math.log(5) * 40 / 64)


def test_a_crop_of_ignored_pixels_alone_changes_no_parameter(tiny_swin) -> None:
    model = UPerNet(tiny_swin(), num_classes=5)
    losses = model(torch.randn(2, 3, 64, 64), torch.full((2, 64, 64), 255))
    assert losses["main"] == losses["auxiliary"] == 0
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or p.grad.any()] == []  # NaN is "any"


def _logits(model: UPerNet, images: Tensor) -> tuple[Tensor, Tensor]:
    features = model.backbone(images)
    return model.head(features), model.auxiliary_head(features[AUXILIARY_INPUT])


def test_trained_state_alone_restores_the_logits(tiny_swin) -> None:
    """They depend on the running statistics of the heads' norms, which no gradient changes."""
    frozen = tiny_swin().requires_grad_(False)
    trained, fresh = UPerNet(frozen, num_classes=5), UPerNet(copy.deepcopy(frozen), num_classes=5)
    optimizer = torch.optim.AdamW([p for p in trained.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        sum(trained(2 + 3 * torch.randn(2, 3, 64, 64), torch.randint(5, (2, 64, 64))).values()).backward()
        optimizer.step()
    load_trainable_state_dict(fresh, copy.deepcopy(trainable_state_dict(trained)))
    images = torch.randn(1, 3, 64, 64)
    for ours, theirs in zip(_logits(fresh.eval(), images), _logits(trained.eval(), images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


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
