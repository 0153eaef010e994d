"""A user's timm Swin as a trunk, without a copy of its forward pass and without a change to its modules."""

from collections.abc import Sequence
from typing import cast
from weakref import WeakSet

from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.swin_transformer_v2 import SwinTransformerV2Block
from torch import Tensor, nn

from e3va.backbones.base import Tap, Trunk, TrunkBlock, TrunkStage, ignore

BLOCKS = (SwinTransformerBlock, SwinTransformerV2Block)
"""Blocks that pass each branch output through `drop_path1` or `drop_path2` before they add it."""
EXPECTED = (
    "a backbone of build_swin, or timm's SwinTransformer or SwinTransformerV2 "
    '(timm.create_model("swin_...") or ("swinv2_..."), without features_only)'
)
_tuned: WeakSet[nn.Module] = WeakSet()
"""Patch embeddings of the models that a method was applied to. Nothing is stored in the models themselves."""


class TappedBlock(TrunkBlock):
    """A timm block, whose branch outputs are taken where they pass DropPath.

    In version 2 these come after the post-norm, as in `norm1(attn(x))`; in version 1 they are `attn(norm1(x))`.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.dim = cast(int, block.dim)
        self.block = block

    def forward(self, x: Tensor, tap: Tap = ignore) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        def show(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            tap(inputs[0].reshape(x.shape), output.reshape(x.shape))  # version 1 flattens the map for its MLP

        drop_paths = (cast(nn.Module, self.block.drop_path1), cast(nn.Module, self.block.drop_path2))
        handles = [drop_path.register_forward_hook(show) for drop_path in drop_paths]
        try:
            return self.block(x)
        finally:
            for handle in handles:
                handle.remove()


class TimmStage(TrunkStage):
    """The parts of a timm stage. Raises `ValueError` for blocks of an unknown type."""

    def __init__(self, index: int, stage: nn.Module) -> None:
        super().__init__()
        blocks = cast(Sequence[nn.Module], stage.blocks)
        for number, block in enumerate(blocks):
            if not isinstance(block, BLOCKS):
                expected = " or ".join(kind.__name__ for kind in BLOCKS)
                raise ValueError(f"block {number} of stage {index} is a {type(block).__name__}: expected {expected}")
        self.downsample = cast(nn.Module, stage.downsample)
        self.blocks = cast(Sequence[TappedBlock], nn.ModuleList(TappedBlock(block) for block in blocks))


class TimmSwin(Trunk):
    """timm's `SwinTransformer` (also Swin-S3) or `SwinTransformerV2`, with an output norm per chosen stage.

    It shares the modules of the model, and takes the image sizes that the model takes; timm's `dynamic_img_size=True`
    or `set_input_size` allow others. Raises `ValueError` for a model without stages, for blocks of another type, and
    for `out_stages` that the model does not have.
    """

    def __init__(self, model: nn.Module, out_stages: Sequence[int] | None = None) -> None:
        super().__init__()
        layers = getattr(model, "layers", None)
        if not isinstance(layers, nn.Sequential) or not all(hasattr(layer, "blocks") for layer in layers):
            raise ValueError(f"{type(model).__name__} has no Swin stages: expected {EXPECTED}")
        self.patch_embed = cast(nn.Module, model.patch_embed)
        stages = nn.ModuleList(TimmStage(index, layer) for index, layer in enumerate(layers))
        self.stages = cast(Sequence[TimmStage], stages)
        dims = [stage.blocks[0].dim for stage in self.stages]
        self._add_output_norms(dims, range(len(dims)) if out_stages is None else out_stages)

    @property
    def tuned(self) -> bool:
        """Whether a method was applied to this model, through this `TimmSwin` or another one."""
        return self.patch_embed in _tuned

    @tuned.setter
    def tuned(self, value: bool) -> None:
        (_tuned.add if value else _tuned.discard)(self.patch_embed)


def as_trunk(backbone: nn.Module) -> Trunk:
    """Return a trunk as it is, and a timm Swin as a `TimmSwin` with an output per stage.

    Raises `ValueError` for any other module.
    """
    return backbone if isinstance(backbone, Trunk) else TimmSwin(backbone)
