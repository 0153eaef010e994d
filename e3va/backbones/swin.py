"""The Swin that all methods share: timm's blocks, any image size, NCHW outputs, and branches as modules."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import timm
import torch
from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from e3va.backbones.base import Tap, Trunk, TrunkBlock, TrunkStage, ignore
from e3va.backbones.sizes import SWIN_SIZES, WINDOW_IMAGE_SIZE
from e3va.backbones.weights import load_weights
from e3va.private_parts import window_attention


def _dropped(branch_output: Tensor, drop_path: nn.Module, tap: Tap) -> Tensor:
    after = drop_path(branch_output)
    tap(branch_output, after)
    return after


class Branch(nn.Module):
    """A residual branch of a block: (B, H, W, C) -> (B, H, W, C). The images of a batch do not interact."""

    parts = 1
    """Number of parts of the batch that are computed one after the other, which takes less memory without a graph."""

    def forward(self, x: Tensor) -> Tensor:
        return self._branch(x) if self.parts == 1 else torch.cat([self._branch(part) for part in x.chunk(self.parts)])

    def _branch(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class AttentionBranch(Branch):
    """Shifted-window attention of the normalised input, `W-MSA(LN(x))`, before DropPath and the residual add.

    Holds timm's block without its MLP half, because that block does the shifting, padding and masking.
    """

    def __init__(self, block: SwinTransformerBlock) -> None:
        super().__init__()
        self.block = block

    def _branch(self, x: Tensor) -> Tensor:
        return window_attention(self.block, self.block.norm1(x))


class MlpBranch(Branch):
    """The MLP of the normalised input, `MLP(LN(x))`, before DropPath and the residual add."""

    def __init__(self, norm: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mlp = mlp

    def _branch(self, x: Tensor) -> Tensor:
        return self.mlp(self.norm(x))


class SwinBlock(TrunkBlock):
    """A Swin block whose two residual branches are modules, which methods wrap or replace."""

    def __init__(self, block: SwinTransformerBlock) -> None:
        super().__init__()
        self.dim: int = block.dim
        self.attention_branch: nn.Module = AttentionBranch(block)
        self.drop_path1: nn.Module = block.drop_path1
        self.mlp_branch: nn.Module = MlpBranch(block.norm2, block.mlp)
        self.drop_path2: nn.Module = block.drop_path2
        for moved in ("drop_path1", "norm2", "mlp", "drop_path2"):
            delattr(block, moved)

    def forward(self, x: Tensor, tap: Tap = ignore) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        x = x + _dropped(self.attention_branch(x), self.drop_path1, tap)
        return x + _dropped(self.mlp_branch(x), self.drop_path2, tap)


class SwinStage(TrunkStage):
    """Patch merging (absent in the first stage), then the blocks of one resolution."""

    blocks: Sequence[SwinBlock]

    def __init__(
        self, downsample: nn.Module, blocks: Iterable[SwinTransformerBlock], checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.downsample = downsample
        self.blocks = cast(Sequence[SwinBlock], nn.ModuleList(SwinBlock(block) for block in blocks))

    def forward(self, x: Tensor) -> Tensor:  # (B, 2H, 2W, C/2) -> (B, H, W, C)
        x = self.downsample(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointing else block(x)
        return x


class SwinBackbone(Trunk):
    """The Swin that all methods share. It takes any image whose sides are multiples of 4."""

    stages: Sequence[SwinStage]

    def __init__(self, swin: SwinTransformer, out_stages: Sequence[int], checkpointing: bool = False) -> None:
        super().__init__()
        self.patch_embed = swin.patch_embed
        stages = nn.ModuleList(SwinStage(layer.downsample, layer.blocks, checkpointing) for layer in swin.layers)
        self.stages = cast(Sequence[SwinStage], stages)
        self._add_output_norms([info["num_chs"] for info in swin.feature_info], out_stages)

    def blocks(self) -> list[SwinBlock]:
        """All blocks, from the first to the last."""
        return [block for stage in self.stages for block in stage.blocks]


def build_swin(
    name: str,
    *,
    window: int = 7,
    out_stages: Sequence[int] = (0, 1, 2, 3),
    drop_path: float = 0.0,
    fused_attention: bool = False,
    checkpointing: bool = False,
    pretrained: bool | Path = False,
    device: torch.device | str = "cpu",
) -> SwinBackbone:
    """Build one of `SWIN_SIZES` on `device`.

    `fused_attention` lets PyTorch choose an attention kernel (`F.scaled_dot_product_attention`) instead of the explicit
    matmul, softmax, matmul that the paper measured. `checkpointing` recomputes each block in backward (activation
    checkpointing) instead of keeping what it would save.
    `pretrained=True` loads timm's ImageNet-22K weights (downloaded or from its cache); a path loads a file in the
    layout of timm or of the original Swin release (`load_weights`). Raises `ValueError` for an unknown name, a window
    that is not 7 or 12, weights that were never published, and weights that can't be had or do not fit.
    """
    if name not in SWIN_SIZES:
        raise ValueError(f"unknown backbone {name!r}: choose from {', '.join(SWIN_SIZES)}")
    size = SWIN_SIZES[name]
    if window not in WINDOW_IMAGE_SIZE:
        raise ValueError(f"unknown window {window!r}: choose from {', '.join(map(str, WINDOW_IMAGE_SIZE))}")
    if pretrained is True and window not in size.pretrained_windows:
        raise ValueError(f"no ImageNet-22K weights exist for {name} with window {window}")
    # timm names a Swin by the window it was pre-trained with; T and S only exist with window 7. The sizes are given all
    # the same, for those that timm has no name for.
    known_name = name if size.pretrained_windows else "swin_tiny"
    named_window = window if window in size.pretrained_windows else 7
    try:
        swin = timm.create_model(
            f"{known_name}_patch4_window{named_window}_{WINDOW_IMAGE_SIZE[named_window]}.ms_in22k",
            pretrained=pretrained is True,
            embed_dim=size.embed_dim,
            depths=size.depths,
            num_heads=size.heads,
            window_size=window,
            drop_path_rate=drop_path,
            num_classes=0,
            strict_img_size=False,
            # Without it timm drops the shift wherever the pre-training map was no larger than the window (stage 4).
            always_partition=True,
            device=device,
        )
    except (OSError, RuntimeError, ValueError) as error:
        if pretrained is not True:
            raise
        reason = " ".join(str(error).split())
        raise ValueError(
            f"timm's weights of {name} can't be had, so give a file of weights instead: {reason}"
        ) from error
    if isinstance(pretrained, Path):
        load_weights(swin, pretrained, f"{name} with window {window}")
    for block in (block for layer in swin.layers for block in layer.blocks):
        block.attn.fused_attn = fused_attention  # timm's own default depends on an environment variable
    return SwinBackbone(swin, out_stages, checkpointing)
