"""E3VA: a frozen Swin with a gradient highway beside it, so that no gradient enters the backbone (section 3.2)."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from e3va.adapter import DualLowRankAdapter
from e3va.design import Design
from e3va.highway import FusedHighwayStage, HighwayStage
from e3va.trunk import halve_first_stage, spare_hidden_values
from models.backbone import Backbone, require_untuned
from models.naming import choose
from models.swin import SwinBackbone

Form = Literal["reference", "fused", "recompute"]
"""How the same function is computed: plain modules as in the paper; one autograd function per stage; that, and each
stage run again in backward, frozen blocks included."""
FORMS: tuple[Form, ...] = get_args(Form)


class E3VA(Backbone):
    """A frozen Swin with a highway of parallel adapters; called like the Swin it wraps.

    The backbone path l runs as ever, without gradient; every block lends its two branch outputs, before DropPath, to
    the highway e. Between stages the highway passes the backbone's own frozen patch merging, and each output is
    norm(l + e) with a trainable norm. What the paper leaves open is settled so that the model starts as the frozen one:
    e_0 = l_0, hence e = l in every stage at first, and LayerNorm is scale-free; `design` has the alternatives.

    All forms have the same state, values and gradients. Raises `ValueError` for what is no `SwinBackbone` or has a
    method already, a rank beyond the width of the first stage, and an unknown form.
    """

    def __init__(
        self, backbone: SwinBackbone, rank: int = 8, *, form: Form = "fused", design: Design | None = None
    ) -> None:
        super().__init__()
        if not isinstance(backbone, Backbone):
            raise ValueError(f"E3VA wraps a SwinBackbone, such as build_swin returns, not {type(backbone).__name__}")
        require_untuned(backbone)
        self.rank, self.design = rank, design or Design()
        self.form = choose("form", form, FORMS)
        with backbone.device:
            highway = nn.ModuleList(
                self._beside(stage.blocks[0].dim, taps=2 * len(stage.blocks)) for stage in backbone.stages
            )
        self.backbone = backbone.requires_grad_(False)
        self.backbone.norms.requires_grad_(self.design.trains_norms)
        self.out_channels = backbone.out_channels
        if self.form != "reference":
            spare_hidden_values(backbone)
        if self.form == "recompute":
            halve_first_stage(backbone)
        self.highway = cast(Sequence[HighwayStage], highway)
        self.tuned = backbone.tuned = True

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the feature maps of the chosen stages, (B, C_k, H_k, W_k) each."""
        run = partial(checkpoint, self._stage, use_reentrant=False) if self.form == "recompute" else self._stage
        inputs = [images]
        outputs = []
        for index in range(len(self.backbone.stages)):
            output, inputs = run(index, *inputs)
            outputs.append(output)
        return [output for output in outputs if output is not None]

    def _stage(self, index: int, *inputs: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        """One stage with the merging behind it. Between stages l and e are narrowest there: (B, H, W, C) each.

        Takes the images, later l and e; returns the stage's output if it has one, and l and e for the next stage.
        """
        trunk, highway = inputs if index else self._start(*inputs)
        taps: list[Tensor] = []
        with torch.no_grad():
            for block in self.backbone.stages[index].blocks:
                trunk = block(trunk, tap=taps.append)
        highway = self.highway[index](highway, taps)
        output = self._output(index, trunk, highway) if self.backbone.has_output(index) else None
        if index + 1 == len(self.backbone.stages):
            return output, []
        merge = self.backbone.stages[index + 1].downsample
        with torch.no_grad():
            trunk = merge(trunk)
        return output, [trunk, merge(highway)]

    def _start(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> l_0 and e_0, (B, H/4, W/4, C) each."""
        with torch.no_grad():
            patches = self.backbone.patch_embed(images)
        return patches, patches if self.design.start == "patches" else torch.zeros_like(patches)

    def _output(self, index: int, trunk: Tensor, highway: Tensor) -> Tensor:
        return self.backbone.output(index, trunk + highway if self.design.output == "sum" else highway)

    def _beside(self, dim: int, taps: int) -> HighwayStage:
        """The part of the highway beside one stage."""
        stage = HighwayStage if self.form == "reference" else FusedHighwayStage
        return stage([DualLowRankAdapter(dim, self.rank, self.design.inner_residual) for _ in range(taps)])
