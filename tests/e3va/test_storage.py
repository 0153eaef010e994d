import re

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from e3va import E3VA, FORMS, Design
from e3va.backbones.trained_state import load_trainable_state_dict, trainable_state_dict
from e3va.storage import read_adapters, write_adapters


@pytest.fixture
def trained(tiny_swin) -> E3VA:
    tuned = E3VA(tiny_swin(), rank=2)
    for parameter in tuned.trainable_state_dict().values():
        nn.init.normal_(parameter)
    return tuned


@pytest.mark.parametrize("form", FORMS)
def test_adapters_come_back_in_any_form(trained: E3VA, tiny_swin, tmp_path, form: str) -> None:
    path = tmp_path / "adapters.safetensors"
    trained.save_adapters(path)
    fresh = E3VA(tiny_swin(), rank=2, form=form)
    fresh.load_adapters(path)
    images = torch.randn(1, 3, 64, 64)
    for ours, theirs in zip(fresh.eval()(images), trained.eval()(images), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_file_has_what_trains_and_nothing_else(trained: E3VA, tmp_path) -> None:
    path = tmp_path / "adapters.safetensors"
    trained.save_adapters(path)
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == {name for name, p in trained.named_parameters() if p.requires_grad}
        assert file.metadata()["rank"] == "2"
    floats = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    header_bytes = path.stat().st_size - 4 * floats
    assert 0 < header_bytes < 150 * len(trained.trainable_state_dict())


def test_statistics_of_norms_are_stored_too(tmp_path) -> None:
    norm, path = nn.BatchNorm2d(3), tmp_path / "adapters.safetensors"
    norm(5 + torch.randn(2, 3, 4, 4))
    write_adapters(path, trainable_state_dict(norm), {"backbone": "a norm"})
    state = read_adapters(path, {"backbone": "a norm"})
    assert state["num_batches_tracked"].tolist() == 1  # a number, not a list of one
    fresh = nn.BatchNorm2d(3)
    load_trainable_state_dict(fresh, state)
    for name, tensor in norm.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"rank": 3}, "rank is 2, not 3"),
        ({"swin": {"dim": 32}}, r"backbone is SwinTransformerBlock \(16-32-64-128 .*, not .* \(32-64-128-256 channels"),
        ({"swin": {"out_stages": (1, 2, 3)}}, "outputs is of stages 0-1-2-3, not of stages 1-2-3"),
        ({"design": Design(inner_residual=False)}, "design is inner_residual=True, .*, not inner_residual=False"),
    ],
)
def test_adapters_of_another_model_are_refused(trained: E3VA, tiny_swin, tmp_path, change, difference) -> None:
    path = tmp_path / "adapters.safetensors"
    trained.save_adapters(path)
    options = {"rank": 2, **change}
    other = E3VA(tiny_swin(**options.pop("swin", {})), **options)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} has adapters of another model: {difference}"):
        other.load_adapters(path)
    for name, tensor in other.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_other_files_are_refused(trained: E3VA, tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(trained.trainable_state_dict(), path)
    with pytest.raises(ValueError, match="no file of adapters that this version reads: format is not stated"):
        trained.load_adapters(path)
    path.write_text("nothing")
    with pytest.raises(ValueError, match="is no safetensors file"):
        trained.load_adapters(path)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("swin_tiny_patch4_window7_224", "swin_tiny (96-192-384-768 channels, 2-2-6-2 blocks"),
        ("swinv2_tiny_window8_256", "SwinTransformerV2Block (96-192-384-768 channels"),
    ],
)
def test_the_backbone_is_named(tmp_path, model: str, name: str) -> None:
    path = tmp_path / "adapters.safetensors"
    E3VA(timm.create_model(model)).save_adapters(path)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["backbone"].startswith(name)
