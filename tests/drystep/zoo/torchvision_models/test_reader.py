"""The code of torchvision's models: sizes, losses and heads as they are asked for, and what is refused."""

import importlib.util
from typing import Any

import pytest

from drystep.zoo.settings import StepSettings
from drystep.zoo.torchvision_models.reader import torchvision_model

MASK_RCNN = "maskrcnn_resnet50_fpn"


def _code(name: str, size: tuple[int, int] | None = None, **settings: Any) -> Any:
    return torchvision_model(name, StepSettings(**settings), size)


@pytest.mark.parametrize(
    ("name", "size", "settings", "message"),
    [
        ("resnet5O", None, {}, "unknown model of torchvision 'resnet5O': did you mean resnet50"),
        ("get_model", None, {}, "unknown model of torchvision 'get_model'"),
        ("quantized_resnet50", None, {}, "quantized_resnet50 is quantized, .* name resnet50"),
        ("resnet50", None, {"tokens": 5}, "--tokens does not apply to models of torchvision"),
        ("resnet50", None, {"objects": 5}, "--objects does not apply to torchvision:resnet50"),
        ("resnet50", None, {"frames": 5}, "--frames does not apply to torchvision:resnet50"),
        ("resnet50", None, {"fused_attention": "off"}, "resnet50: it has no fused attention"),
        ("fcn_resnet50", None, {"objects": 5, "frames": 2}, "--frames and --objects do not apply to .*fcn_resnet50"),
        ("r3d_18", None, {"objects": 5}, "--objects does not apply to torchvision:r3d_18"),
        ("raft_small", None, {"classes": 5}, "--classes does not apply to torchvision:raft_small"),
        ("raft_small", (100, 128), {}, "multiples of 8 pixels"),
        (MASK_RCNN, None, {"classes": 1}, "--classes must be at least 2"),
        (MASK_RCNN, None, {"frames": 4}, "--frames does not apply"),
        ("ssd300_vgg16", (400, 400), {}, "resizes all images to 300 x 300: leave --image-size out"),
        ("mvit_v2_s", (112, 112), {}, "224 x 224 pixels alone"),
        ("mvit_v2_s", None, {"frames": 8}, "clips of 16 frames, not 8"),
        ("vit_b_16", (224, 256), {}, "square images, not 224 x 256"),
        ("vit_b_16", (100, 100), {}, "refuses images of 100 x 100: .*divisible by patch size"),
        ("maxvit_t", (225, 225), {}, "refuses images of 225 x 225"),
    ],
)
def test_refusals(name: str, size: tuple[int, int] | None, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _code(name, size, **settings)


def test_torchvision_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install torchvision"):
        _code("resnet18")


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", (224, 224)),
        ("inception_v3", (299, 299)),
        ("swin_v2_t", (256, 256)),
        ("fcn_resnet50", (520, 520)),
        (MASK_RCNN, (800, 1333)),
        ("fasterrcnn_mobilenet_v3_large_320_fpn", (320, 640)),
        ("r3d_18", (112, 112)),
        ("mvit_v2_s", None),
        ("ssd300_vgg16", None),
    ],
)
def test_sizes_are_those_of_the_default_weights(name: str, size: tuple[int, int] | None) -> None:
    """Sizes that torchvision documents for its weights; none where a model takes one size alone."""
    assert _code(name).image_size == size


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("resnet18", ["fc"]),
        ("vit_b_16", ["heads.head"]),
        ("vgg11", ["classifier.6"]),
        ("squeezenet1_1", ["classifier.1"]),
        ("googlenet", ["fc", "aux1", "aux2"]),
        ("fcn_resnet50", ["classifier", "aux_classifier"]),
        ("lraspp_mobilenet_v3_large", ["classifier"]),
        (MASK_RCNN, ["rpn", "roi_heads"]),
        ("ssd300_vgg16", ["head"]),
        ("s3d", ["classifier.1"]),
        ("raft_small", []),
    ],
)
def test_heads_are_what_is_new_in_a_task(name: str, heads: list[str]) -> None:
    assert list(_code(name).heads) == heads


def test_frames_and_classes_are_those_asked_for() -> None:
    (data,) = _code("r3d_18", classes=7, frames=5).data
    assert "3, 5, *image_size" in data
    assert "num_classes=7" in _code("r3d_18", classes=7).model[0]
    assert "3, 128, *image_size" in _code("s3d").data[0]


def test_images_of_the_size_go_through_a_detector() -> None:
    """Its transform would resize them otherwise."""
    model = _code(MASK_RCNN, (320, 416), classes=3).example
    assert (model.transform.min_size, model.transform.max_size) == ((320,), 416)


def test_vits_are_built_for_their_size() -> None:
    assert _code("vit_b_16", (32, 32)).example.encoder.pos_embedding.shape[1] == 2 * 2 + 1
    assert _code("vit_b_16").image_multiple == 16
    assert _code("maxvit_t").image_multiple == 7 * 32


def test_attention_without_fused_kernels_is_in_the_code() -> None:
    assert _code("vit_b_16", fused_attention="off").context == "sdpa_kernel(SDPBackend.MATH)"
    assert _code("vit_b_16").context == ""


@pytest.mark.parametrize(
    ("name", "block"),
    [("resnet50", "Bottleneck"), ("swin_t", "SwinTransformerBlock"), ("googlenet", "Inception"), ("vgg11", None)],
)
def test_blocks_are_checkpointed(name: str, block: str | None) -> None:
    lines = _code(name).checkpointing
    assert not lines if block is None else f"isinstance(module, {block})" in lines[0]
