import timm
import torch
import torch.nn.functional as F

from e3va.classifier import E3VAClassifier, e3va_classifier

NAME = "swin_tiny_patch4_window7_224"


def _model(name: str = NAME, **options) -> torch.nn.Module:
    return timm.create_model(name, img_size=64, window_size=2, depths=(1, 1, 1, 1), num_classes=5, **options)


def test_it_starts_as_the_model_itself() -> None:
    model = _model().eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        torch.testing.assert_close(E3VAClassifier(model).eval()(images), expected, rtol=1e-4, atol=1e-5)


def test_the_highway_the_last_norm_and_the_head_train() -> None:
    wrapped = e3va_classifier(_model(), rank=4)
    F.cross_entropy(wrapped(torch.randn(2, 3, 64, 64)), torch.tensor([0, 4])).backward()
    trained = {
        name.split(".")[0] + "." + name.split(".")[1] for name, p in wrapped.named_parameters() if p.requires_grad
    }
    assert trained == {"backbone.highway", "backbone.backbone", "head.fc"}
    assert all(p.grad is not None for p in wrapped.parameters() if p.requires_grad)
    blocks = [p for name, p in wrapped.named_parameters() if ".blocks." in name or "patch_embed" in name]
    assert blocks and not any(p.requires_grad for p in blocks)
