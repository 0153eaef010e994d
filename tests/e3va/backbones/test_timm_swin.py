from collections.abc import Callable

import pytest
import timm
import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import Tensor, nn

from e3va.backbones.timm_swin import TimmSwin, as_trunk

SMALL = {"embed_dim": 16, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8), "window_size": 4, "num_classes": 5}
MODELS = {
    "v1": lambda **more: SwinTransformer(img_size=64, **SMALL, **more),
    "v2": lambda **more: SwinTransformerV2(img_size=64, **SMALL, **more),
    "s3": lambda **more: SwinTransformer(img_size=64, **{**SMALL, "window_size": (4, 4, 2, 2)}, **more),
}
Build = Callable[..., nn.Module]


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def build(request) -> Build:
    """Random parameters: timm's version 2 starts its post-norms, and with them the branches, at zero."""

    def build_random(**more) -> nn.Module:
        model = request.param(**more)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.2)
        return model

    return build_random


@pytest.mark.parametrize("size", [(64, 64), (72, 100)])
def test_maps_are_those_of_timm(build: Build, size: tuple[int, int]) -> None:
    """The same trunk, to the bit; the output norm of a level comes on top."""
    model = build(dynamic_img_size=True).eval()
    images = torch.randn(2, 3, *size)
    theirs = model.forward_intermediates(images, intermediates_only=True)
    ours = TimmSwin(model)(images)
    assert [feature.shape for feature in ours] == [feature.shape for feature in theirs]
    for feature, expected in zip(ours, theirs, strict=True):
        normed = nn.functional.layer_norm(expected.permute(0, 2, 3, 1), expected.shape[1:2]).permute(0, 3, 1, 2)
        assert torch.equal(feature, normed)


def test_taps_are_what_the_blocks_add(build: Build) -> None:
    """Without DropPath a block adds its two branch outputs to its input, and nothing else."""
    model = build().eval()
    trunk = TimmSwin(model)
    x = trunk.patch_embed(torch.randn(1, 3, 64, 64))
    for stage in trunk.stages:
        x = stage.downsample(x)
        for block in stage.blocks:
            taps: list[Tensor] = []
            after = block(x, tap=lambda before, _, taps=taps: taps.append(before))
            assert [tap.shape for tap in taps] == [x.shape, x.shape]
            torch.testing.assert_close(x + taps[0] + taps[1], after)
            x = after


def test_the_first_tap_of_version_2_is_post_normed() -> None:
    block = TimmSwin(MODELS["v2"]().eval()).stages[1].blocks[1]
    nn.init.normal_(block.block.norm1.weight)
    x = torch.randn(1, 8, 8, 32)
    taps: list[Tensor] = []
    block(x, tap=lambda before, _: taps.append(before))
    torch.testing.assert_close(taps[0], block.block.norm1(block.block._attn(x)))


def test_taps_show_both_sides_of_drop_path(build: Build) -> None:
    """One image: a branch is dropped whole, or kept and scaled by 1 / (1 - 0.9)."""
    block = TimmSwin(build(drop_path_rate=0.9).train()).stages[3].blocks[1]
    kept = []
    for _ in range(40):
        taps: list[tuple[Tensor, Tensor]] = []
        x = torch.randn(1, 2, 2, 128)
        y = block(x, tap=lambda *pair, taps=taps: taps.append(pair))
        torch.testing.assert_close(x + taps[0][1] + taps[1][1], y)
        for before, after in taps:
            assert before.any()
            kept.append(bool(after.any()))
            torch.testing.assert_close(after, 10 * before if kept[-1] else torch.zeros_like(before))
    assert {True, False} == set(kept)


def test_the_users_model_stays_as_it_is(build: Build) -> None:
    model = build().eval()
    before, images = {name: type(module) for name, module in model.named_modules()}, torch.randn(1, 3, 64, 64)
    expected, state = model(images), {name: value.clone() for name, value in model.state_dict().items()}
    TimmSwin(model)(images)
    assert {name: type(module) for name, module in model.named_modules()} == before
    assert not any(module._forward_hooks for module in model.modules())
    assert state.keys() == model.state_dict().keys()
    assert torch.equal(model(images), expected)


def test_chosen_outputs(build: Build) -> None:
    trunk = TimmSwin(build(), out_stages=(1, 3))
    assert trunk.out_channels == [32, 128]
    assert [tuple(feature.shape) for feature in trunk(torch.randn(1, 3, 64, 64))] == [(1, 32, 8, 8), (1, 128, 2, 2)]
    with pytest.raises(ValueError, match=r"out_stages \(0, 4\) must be a choice of \(0, 1, 2, 3\)"):
        TimmSwin(build(), out_stages=(0, 4))


def test_a_size_that_the_model_refuses(build: Build) -> None:
    with pytest.raises(AssertionError, match="Input height"):
        TimmSwin(build())(torch.randn(1, 3, 72, 100))


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of how timm interpolates position biases
def test_a_size_set_later_is_seen(build: Build) -> None:
    model = build()
    trunk = TimmSwin(model)
    model.set_input_size((96, 128), window_size=4)
    finest, *_ = trunk(torch.randn(1, 3, 96, 128))
    assert finest.shape == (1, 16, 24, 32)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_a_model_without_stages(name: str) -> None:
    with pytest.raises(ValueError, match=r"has no Swin stages: expected .*SwinTransformerV2 .*without features_only"):
        as_trunk(timm.create_model(name, device="meta"))


def test_features_only_hides_the_stages() -> None:
    with pytest.raises(ValueError, match="FeatureListNet has no Swin stages: expected .*without features_only"):
        as_trunk(timm.create_model("swin_tiny_patch4_window7_224", features_only=True))


def test_unknown_blocks(build: Build) -> None:
    model = build()
    model.layers[2].blocks[1] = nn.Identity()
    with pytest.raises(ValueError, match="block 1 of stage 2 is a Identity: expected SwinTransformerBlock or SwinTran"):
        as_trunk(model)


def test_a_trunk_is_its_own(tiny_swin) -> None:
    swin = tiny_swin()
    assert as_trunk(swin) is swin
