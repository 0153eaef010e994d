"""Files of adapters: all that one fine-tuned task has to store besides the shared backbone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor

from e3va.backbones.base import Trunk, TrunkBlock
from e3va.backbones.sizes import SWIN_SIZES
from e3va.backbones.swin import SwinBlock

FORMAT = {"format": "e3va-adapters", "version": "1"}


def write_adapters(path: Path | str, state: Mapping[str, Tensor], belongs_to: Mapping[str, str]) -> None:
    """Write trained tensors, and the model that they belong to, as safetensors."""
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, {**FORMAT, **belongs_to})


def read_adapters(path: Path | str, belongs_to: Mapping[str, str]) -> dict[str, Tensor]:
    """Read what `write_adapters` wrote. Raises `ValueError` for any other file, and for adapters of another model."""
    try:
        with safe_open(path, framework="pt") as file:
            found = file.metadata() or {}
            _require(path, FORMAT, found, "is no file of adapters that this version reads")
            _require(path, belongs_to, found, "has adapters of another model")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error


def _require(path: Path | str, expected: Mapping[str, str], found: Mapping[str, str], problem: str) -> None:
    differences = [
        f"{name} is {found.get(name, 'not stated')}, not {wanted}"
        for name, wanted in expected.items()
        if found.get(name) != wanted
    ]
    if differences:
        raise ValueError(f"{path} {problem}: {'; '.join(differences)}")


def describe(trunk: Trunk) -> str:
    """Describe a Swin by its kind (or its name, if it has one), sizes and window. Its weights are not considered."""
    first = [stage.blocks[0] for stage in trunk.stages]
    timm_blocks = [_timm_block(block) for block in first]
    depths = tuple(len(stage.blocks) for stage in trunk.stages)
    heads = tuple(block.attn.num_heads for block in timm_blocks)
    kind = type(timm_blocks[0]).__name__
    if kind == SwinTransformerBlock.__name__:
        sizes = {(size.embed_dim, size.depths, size.heads): name for name, size in SWIN_SIZES.items()}
        kind = sizes.get((first[0].dim, depths, heads), kind)
    numbers = {"channels": (block.dim for block in first), "blocks": depths, "heads": heads}
    listed = ", ".join(f"{'-'.join(map(str, values))} {what}" for what, values in numbers.items())
    return f"{kind} ({listed}, window {'x'.join(map(str, timm_blocks[0].attn.window_size))})"


def _timm_block(block: TrunkBlock) -> Any:
    return cast(Any, block.attention_branch).block if isinstance(block, SwinBlock) else cast(Any, block).block
