import pytest
import torch
import torch.nn.functional as F

from bench.detectors.upernet import UPerNet
from e3va.backbones.swin import build_swin


@pytest.fixture
def segmentor() -> UPerNet:
    return UPerNet(build_swin("swin_nano"), 4, channels=16, auxiliary_channels=8).eval()


def test_logits_are_resized_cut_and_resized_to_the_original(segmentor) -> None:
    images = torch.randn(2, 3, 64, 96)
    first, second = segmentor.predict(images, [(64, 96), (50, 70)], [(128, 192), (100, 35)])
    with torch.no_grad():
        logits = F.interpolate(segmentor.head(segmentor.backbone(images)), (64, 96), mode="bilinear")
    assert first.shape == (4, 128, 192)
    torch.testing.assert_close(first, F.interpolate(logits[:1], (128, 192), mode="bilinear")[0])
    torch.testing.assert_close(second, F.interpolate(logits[1:, :, :50, :70], (100, 35), mode="bilinear")[0])


def test_results_are_of_the_given_sizes_unless_originals_are_named(segmentor) -> None:
    (logits,) = segmentor.predict(torch.randn(1, 3, 64, 96), [(60, 90)])
    assert logits.shape == (4, 60, 90)
    assert not logits.requires_grad


def test_padding_does_not_shift_what_is_predicted(segmentor, monkeypatch) -> None:
    """A map whose logits grow with the column still does, by the same pixels, after the padding is cut."""
    monkeypatch.setattr(segmentor.head, "forward", lambda _: torch.arange(24.0).expand(1, 4, 16, 24))
    (logits,) = segmentor.predict(torch.randn(1, 3, 64, 96), [(64, 48)])
    # Column c of an output of the finest map is centred on pixel 4 c + 1.5.
    torch.testing.assert_close(logits[0, 0, 2:], (torch.arange(2, 48) - 1.5) / 4, rtol=0, atol=1e-4)
