from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from e3va.backbones.swin import build_swin

NANO = {"embed_dim": 32, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8)}


def _timm_swin(window: int = 7, **options: object) -> torch.nn.Module:
    return timm.create_model(
        "swin_tiny_patch4_window7_224",
        **{**NANO, "window_size": window, "strict_img_size": False, "always_partition": True, **options},
    ).eval()


def _original(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The layout of the Swin authors' files: merging at the end of a stage, and buffers beside the weights."""
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "layers" and parts[2] == "downsample":
            parts[1] = str(int(parts[1]) - 1)
        renamed[".".join(parts).replace("head.fc.", "head.")] = value
    for stage in range(4):
        renamed[f"layers.{stage}.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.int64)
        renamed[f"layers.{stage}.blocks.1.attn_mask"] = torch.zeros(4, 49, 49)
    return renamed


def _save(layout: str, state: dict[str, Tensor], folder: Path) -> Path:
    """Write weights as a kind of file that exists."""
    path = folder / f"{layout}.{'safetensors' if layout == 'timm' else 'pth'}"
    if layout == "timm":
        save_file(state, path)
    elif layout == "original":
        torch.save({"model": _original(state)}, path)
    else:  # as detection repositories share them
        kept = {key: value for key, value in state.items() if not key.startswith(("head.", "norm."))}
        torch.save({"state_dict": kept}, path)
    return path


@pytest.mark.parametrize("layout", ["timm", "original", "headless"])
def test_features_are_those_of_the_swin_that_was_stored(tmp_path: Path, layout: str) -> None:
    source = _timm_swin()
    state = {key: torch.randn_like(value) * 0.1 for key, value in source.state_dict().items()}
    source.load_state_dict(state)
    backbone = build_swin("swin_nano", pretrained=_save(layout, state, tmp_path)).eval()
    image = torch.rand(1, 3, 64, 96)
    expected = source.forward_intermediates(image, intermediates_only=True)  # without output norms
    for feature, raw, norm in zip(backbone(image), expected, backbone.norms.values(), strict=True):
        torch.testing.assert_close(feature, norm(raw.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), rtol=0, atol=0)


def test_position_biases_of_another_window_are_interpolated(tmp_path: Path) -> None:
    state = _timm_swin(window=12).state_dict()
    for key in state:
        if key.endswith("relative_position_bias_table"):  # the distance in rows, from -11 to 11
            state[key] = (
                torch.arange(-11.0, 12.0).repeat_interleave(23)[:, None].expand(-1, state[key].shape[1]).clone()
            )
    path = _save("original", state, tmp_path)
    with pytest.warns(UserWarning, match="original.pth for windows of 12 were interpolated to swin_nano with window 7"):
        backbone = build_swin("swin_nano", pretrained=path)
    table = backbone.blocks()[3].attention_branch.block.attn.relative_position_bias_table
    assert table.shape == (13 * 13, 2)
    rows = table[:, 0].view(13, 13)
    # A bias belongs to a distance in patches, so a smaller window has the middle of a larger window's table.
    distances = torch.arange(-6.0, 7.0)[:, None].expand(-1, 13)
    torch.testing.assert_close(rows, distances, rtol=0, atol=0.15)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"embed_dim": 64},
            r"of another shape: patch_embed.proj.weight is \(64, 3, 4, 4\), not \(32, 3, 4, 4\), .* and \d+ more$",
        ),
        ({"depths": (2, 2, 1, 2)}, r"missing: layers.2.blocks.1.attn.proj.bias, .* and \d+ more$"),
        ({"depths": (2, 2, 3, 2)}, r"unknown: layers.2.blocks.2.attn.proj.bias, .* and \d+ more$"),
        ({"num_heads": (2, 4, 8, 16)}, r"relative_position_bias_table is \(169, 2\), not \(169, 1\), "),
    ],
)
@pytest.mark.parametrize("layout", ["timm", "original"])
def test_weights_of_another_swin_are_named(tmp_path: Path, layout: str, options: dict, problem: str) -> None:
    path = _save(layout, _timm_swin(**options).state_dict(), tmp_path)
    with pytest.raises(ValueError, match=f"weights in .*{path.name} do not fit swin_nano with window 7: .*{problem}"):
        build_swin("swin_nano", pretrained=path)


def _half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_file_that_is_no_weights_is_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(ValueError, match=rf"{name} is no file: expected weights of a Swin"):
        build_swin("swin_nano", pretrained=path)
    path.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(ValueError, match=rf"{name} can't be read as weights"):
        build_swin("swin_nano", pretrained=path)
    (save_file if path.suffix == ".safetensors" else torch.save)(_timm_swin().state_dict(), path)
    with pytest.raises(ValueError, match=rf"{name} can't be read as weights; it may be incomplete"):
        build_swin("swin_nano", pretrained=_half(path))


@pytest.mark.parametrize("content", [[1, 2], {"model": {"epoch": 3}}, torch.zeros(3)])
def test_a_file_of_something_else_is_a_sentence(tmp_path: Path, content: object) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"other.pth holds no tensors by name"):
        build_swin("swin_nano", pretrained=path)


def test_only_tensors_are_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "objects.pth"
    torch.save({"model": Path("a path is no tensor")}, path)
    with pytest.raises(ValueError, match=r"objects.pth can't be read as weights; .* hold more than tensors"):
        build_swin("swin_nano", pretrained=path)
