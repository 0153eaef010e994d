"""Blocks of models, and the layers that LoRA wraps, by what the models' papers call them."""

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from drystep.zoo.model_parts import block_names, count, lora_targets, target_name

TIMM = {
    "vit_tiny_patch16_224": (12, "blocks.11", ["qkv"]),
    "swin_tiny_patch4_window7_224": (2 + 2 + 6 + 2, "layers.3.blocks.1", ["qkv"]),
    "resnet50": (3 + 4 + 6 + 3, "layer4.2", ["conv1", "conv2", "conv3", "downsample.0"]),
    "convnext_tiny": (3 + 3 + 9 + 3, "stages.3.blocks.2", ["fc1", "fc2"]),
    "mixer_b16_224": (12, "blocks.11", ["fc1", "fc2"]),
}
"""Model -> number of its blocks, the last one, and what LoRA wraps."""
TORCHVISION = {
    "swin_t": (2 + 2 + 6 + 2, "features.7.1"),
    "convnext_tiny": (3 + 3 + 9 + 3, "features.7.2"),
    "googlenet": (2 + 5 + 2, "inception5b"),
    "densenet121": (6 + 12 + 24 + 16, "features.denseblock4.denselayer16"),
    "mobilenet_v3_small": (11, "features.11"),
}
HEADS = {"googlenet": ["fc", "aux1", "aux2"]}


def _timm(name: str) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name)


def _torchvision(name: str) -> nn.Module:
    with torch.device("meta"):
        options = {"init_weights": False} if name == "googlenet" else {}
        return torchvision.models.get_model(name, **options)


def _transformer(kind: str, **options: Any) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(**options)
    with torch.device("meta"):
        return getattr(transformers, f"{kind}ForCausalLM" if kind != "GPT2" else "GPT2LMHeadModel")(config)


SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 100,
}  # fmt: skip


@pytest.mark.parametrize("name", TIMM)
def test_blocks_and_targets_of_timm(name: str) -> None:
    number, last, targets = TIMM[name]
    model = _timm(name)
    blocks = block_names(model)
    assert (len(blocks), blocks[-1]) == (number, last)
    assert lora_targets(model, [model.pretrained_cfg["classifier"]]) == targets


def test_blocks_of_efficientnet_are_its_inverted_residuals() -> None:
    """Six of its seven stages expand (Tan and Le, ICML 2019, table 1): 2 + 2 + 3 + 3 + 4 + 1 blocks."""
    blocks = block_names(_timm("efficientnet_b0"))
    assert len(blocks) == 15
    assert blocks[-1] == "blocks.6.0"


@pytest.mark.parametrize("name", TORCHVISION)
def test_blocks_of_torchvision(name: str) -> None:
    number, last = TORCHVISION[name]
    blocks = block_names(_torchvision(name), HEADS.get(name, ()))
    assert (len(blocks), blocks[-1]) == (number, last)


def test_single_layers_are_no_blocks() -> None:
    assert block_names(_torchvision("vgg11")) == []
    assert block_names(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))) == []
    assert block_names(nn.Identity()) == []


def test_a_llama() -> None:
    model = _transformer("Llama", **SMALL)
    assert block_names(model) == [f"model.layers.{layer}" for layer in range(3)]
    assert lora_targets(model, ()) == ["q_proj", "v_proj"]


def test_experts_are_no_blocks() -> None:
    """Eight experts hold most parameters of a layer, and are no layers."""
    model = _transformer("Mixtral", **SMALL, num_local_experts=8)
    assert block_names(model) == [f"model.layers.{layer}" for layer in range(3)]
    assert lora_targets(model, ()) == ["q_proj", "v_proj"]


def test_experts_in_lists_are_no_blocks() -> None:
    class Expert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(8, 32), nn.Linear(32, 8)

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.Linear(8, 8)
            self.experts = nn.ModuleList(Expert() for _ in range(16))

    model = nn.Sequential(nn.Embedding(10, 8), nn.ModuleList(Layer() for _ in range(2)))
    assert block_names(model) == ["1.0", "1.1"]


def test_the_convolutions_of_gpt2_are_linear_layers() -> None:
    model = _transformer("GPT2", n_layer=2, n_embd=16, n_head=2, vocab_size=50)
    assert lora_targets(model, ()) == ["c_attn"]


def test_layers_that_never_run_are_no_targets() -> None:
    """`nn.MultiheadAttention` reads the weight of its out_proj."""
    assert lora_targets(_torchvision("vit_b_16"), ["heads.head"]) == ["mlp.0", "mlp.3"]


def test_grouped_and_dilated_convolutions_are_no_targets() -> None:
    assert lora_targets(_torchvision("resnext50_32x4d"), ["fc"]) == ["conv1", "conv3", "downsample.0"]
    with torch.device("meta"):
        dilated = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True])
    assert lora_targets(dilated, ["fc"]) == ["conv1", "conv3", "downsample.0"]


def test_the_larger_part_decides_between_linear_layers_and_convolutions() -> None:
    """MobileNetV3's last but one layer is linear; the other layers are convolutions with more parameters."""
    assert "classifier.0" not in lora_targets(_torchvision("mobilenet_v3_small"), ["classifier.3"])
    assert lora_targets(_torchvision("vgg11"), ["classifier.6"]) == ["classifier.0", "classifier.3"]


def test_heads_are_no_targets() -> None:
    assert lora_targets(nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 9)}), ["head"]) == ["body"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("blocks.0.attn.qkv", "qkv"), ("features.7.1.mlp.3", "mlp.3"), ("features.0.0", "features.0.0"), ("4", "4")],
)
def test_names_of_targets(path: str, name: str) -> None:
    assert target_name(path) == name


def test_counts() -> None:
    model = nn.ModuleList([nn.Linear(3, 5), nn.Linear(5, 2, bias=False)])
    assert count(model, ["0", "1"]) == 3 * 5 + 5 + 5 * 2
