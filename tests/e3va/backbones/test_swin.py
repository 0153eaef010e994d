import pytest
import timm
import torch

from e3va.backbones.swin import SWIN_SIZES, SwinBackbone, build_swin

ALL_STAGES = (0, 1, 2, 3)
NANO_PARAMETERS = (
    sum(2 * (12 * d**2 + 13 * d + 169 * d // 32) + 2 * d for d in (32, 64, 128, 256))  # two blocks and an output norm
    + sum(8 * d**2 + 8 * d for d in (32, 64, 128))  # patch merging
    + (3 * 16 + 1) * 32  # patch embedding
    + 2 * 32  # its norm
)


def _count(backbone: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in backbone.parameters())


@pytest.mark.parametrize(
    ("name", "window", "out_stages", "expected"),
    [
        ("swin_large", 7, ALL_STAGES, 194_998_164),
        ("swin_base", 7, ALL_STAGES, 86_745_016),
        ("swin_large", 7, (1, 2, 3), 194_997_780),
        ("swin_base", 7, (1, 2, 3), 86_744_760),
        ("swin_large", 12, ALL_STAGES, 195_201_204),
        ("swin_base", 12, ALL_STAGES, 86_880_376),
        ("swin_nano", 7, ALL_STAGES, NANO_PARAMETERS),
    ],
)
def test_parameter_count(name: str, window: int, out_stages: tuple[int, ...], expected: int) -> None:
    assert _count(build_swin(name, window=window, out_stages=out_stages, device="meta")) == expected


@pytest.mark.parametrize("name", SWIN_SIZES)
@pytest.mark.parametrize("window", [7, 12])
@pytest.mark.parametrize("size", [(36, 100), (128, 128), (800, 1344)])
def test_any_image_size_keeps_the_window(name: str, window: int, size: tuple[int, int]) -> None:
    backbone = build_swin(name, window=window, device="meta")
    features = backbone(torch.empty(1, 3, *size, device="meta"))
    height, width = size[0] // 4, size[1] // 4
    for feature, channels in zip(features, backbone.out_channels, strict=True):
        assert feature.shape == (1, channels, height, width)
        assert feature.is_contiguous()
        height, width = -(-height // 2), -(-width // 2)
    for index, block in enumerate(backbone.blocks()):
        timm_block = block.attention_branch.block
        assert timm_block.window_size == (window, window)
        # Every second block of a stage shifts, also where the map is no larger than the window.
        assert timm_block.shift_size == ((window // 2, window // 2) if index % 2 else (0, 0))


def test_output_equals_timm() -> None:
    options = {"window_size": 7, "num_classes": 0, "strict_img_size": False, "always_partition": True}
    torch.manual_seed(0)
    reference = timm.create_model("swin_tiny_patch4_window7_224", **options).eval()
    torch.manual_seed(0)
    backbone = SwinBackbone(timm.create_model("swin_tiny_patch4_window7_224", **options), ALL_STAGES).eval()
    image = torch.rand(1, 3, 64, 96)
    expected = reference.forward_intermediates(image, intermediates_only=True)  # without output norms
    for feature, raw, norm in zip(backbone(image), expected, backbone.norms.values(), strict=True):
        torch.testing.assert_close(feature, norm(raw.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), rtol=0, atol=0)


def test_tap_sees_both_branches_of_a_block(tiny_swin) -> None:
    block = tiny_swin().eval().blocks()[1]
    x = torch.rand(2, 9, 11, block.dim)
    taps: list[torch.Tensor] = []
    y = block(x, tap=lambda before, _: taps.append(before))
    torch.testing.assert_close(y, x + taps[0] + taps[1])
    torch.testing.assert_close(y, block(x))


def test_attention_stays_explicit_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models.swin_transformer.use_fused_attn", lambda experimental: True)
    assert not any(b.attention_branch.block.attn.fused_attn for b in build_swin("swin_tiny", device="meta").blocks())


def test_pretrained_by_name_asks_timm_for_imagenet_22k(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    real = timm.create_model

    def create(name: str, pretrained: bool, **options: object) -> torch.nn.Module:
        asked[name] = pretrained
        return real(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", create)
    build_swin("swin_base", window=12, pretrained=True, device="meta")
    assert asked == {"swin_base_patch4_window12_384.ms_in22k": True}


def test_weights_that_timm_cannot_have_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **options: object) -> None:
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        ValueError, match="timm's weights of swin_tiny can't be had, so give a file .*no route to the hub"
    ):
        build_swin("swin_tiny", pretrained=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "swin_huge"},
            "unknown backbone 'swin_huge': choose from swin_nano, swin_tiny, swin_small, swin_base, swin_large",
        ),
        ({"name": "swin_base", "window": 8}, "unknown window 8: choose from 7, 12"),
        ({"name": "swin_tiny", "window": 12, "pretrained": True}, "no ImageNet-22K weights exist for swin_tiny"),
        ({"name": "swin_tiny", "out_stages": (0, 4)}, r"out_stages \(0, 4\) must be a choice of \(0, 1, 2, 3\)"),
    ],
)
def test_wrong_arguments_say_what_is_right(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_swin(**arguments, device="meta")


def test_checkpointing_and_fused_attention_change_no_value() -> None:
    images = torch.randn(1, 3, 64, 96)

    def run(**options: bool) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(0)
        swin = build_swin("swin_tiny", **options)
        output = swin(images)[-1]
        output.square().sum().backward()
        return output.detach(), swin.stages[0].blocks[0].mlp_branch.mlp.fc1.weight.grad

    plain = run()
    assert all(torch.equal(a, b) for a, b in zip(plain, run(checkpointing=True), strict=True))
    for ours, explicit in zip(run(fused_attention=True), plain, strict=True):
        torch.testing.assert_close(ours, explicit, rtol=1e-3, atol=1e-3)
