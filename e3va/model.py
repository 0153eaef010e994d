"""E3VA: a frozen Swin with a gradient highway beside it, so that no gradient enters the backbone (section 3.2)."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from e3va.adapter import DualLowRankAdapter, StandardAdapter
from e3va.backbones.base import Backbone, require_untuned
from e3va.backbones.swin import SwinBackbone
from e3va.backbones.timm_swin import as_trunk
from e3va.backbones.trained_state import load_trainable_state_dict, trainable_state_dict
from e3va.design import Design
from e3va.frozen import compile_branches, halve_first_stage, lower_blocks, spare_hidden_values
from e3va.highway import FusedHighwayStage, HighwayStage, StackedHighwayStage
from e3va.private_parts import recompile_limit
from e3va.storage import describe, read_adapters, write_adapters

Form = Literal["reference", "fused", "recompute"]
"""How the same function is computed: with plain modules as in the paper; with one autograd function per stage; or with
that function and each stage recomputed in backward, frozen blocks included."""
FORMS: tuple[Form, ...] = get_args(Form)


class E3VA(Backbone):
    """A frozen Swin with a highway of parallel adapters, called like the Swin that it wraps.

    The backbone path l runs as before, without gradient. The highway e reads the two branch outputs of every block,
    before DropPath. Between stages it passes through the backbone's own frozen patch merging, and each output is
    norm(l + e) with a trainable norm. What the paper leaves open is chosen so that the model starts as the frozen one:
    e_0 = l_0, hence e = l in every stage at first, and LayerNorm is scale-invariant. `design` has the alternatives.

    Wraps and freezes the shared Swin or a user's timm Swin (v1 or v2), whose outputs `TimmSwin(model, out_stages)`
    selects. All forms have the same state, values and gradients. Raises `ValueError` for another kind of model, for one
    to which a method was applied before, for a rank beyond the width of the first stage, and for an unknown form or one
    that does not support the design.
    """

    def __init__(
        self, backbone: nn.Module, rank: int = 8, *, form: Form = "fused", design: Design | None = None
    ) -> None:
        super().__init__()
        if isinstance(backbone, Backbone):
            require_untuned(backbone)
        trunk = as_trunk(backbone)
        require_untuned(trunk)  # a timm model may have been wrapped before
        self.rank, self.design = rank, design or Design()
        if form not in FORMS:
            raise ValueError(f"unknown form {form!r}: choose from {', '.join(FORMS)}")
        self.form = form
        if form == "fused" and not self.design.can_be_fused:
            raise ValueError(f"the fused form has parallel low-rank adapters: take another form for {self.design}")
        with trunk.device:
            highway = nn.ModuleList(
                self._beside(stage.blocks[0].dim, taps=2 * len(stage.blocks)) for stage in trunk.stages
            )
        self.backbone = trunk.requires_grad_(False)
        self.backbone.norms.requires_grad_(self.design.trains_norms)
        self.out_channels = trunk.out_channels
        if isinstance(trunk, SwinBackbone):  # a user's own model stays as it is
            if form != "reference":
                spare_hidden_values(trunk)
            if form == "recompute":
                halve_first_stage(trunk)
        self.highway = cast(Sequence[HighwayStage], highway)
        merging = [stage.downsample for stage in trunk.stages[1:]]
        own = copy.deepcopy(merging) if self.design.trains_merging else []
        self.merging = nn.ModuleList(own).requires_grad_(True)
        self.tuned = trunk.tuned = True
        self._block_dtype: torch.dtype | None = None  # set if it differs from the type of the other parts
        self._compiled_graphs = 0

    def lower_trunk(self, dtype: torch.dtype = torch.bfloat16) -> Self:
        """Store and compute the frozen blocks in half precision, and return self. The highway and norms keep theirs.

        Halves the memory of the blocks' weights and of the branch outputs that the highway keeps for backward. Values
        change by rounding. Raises `ValueError` for adapters of plain modules, which compute in a single precision.
        """
        if self.form == "reference" or not self.design.can_be_fused:
            raise ValueError("a trunk in half precision needs fused adapters: take form fused or recompute")
        lower_blocks(self.backbone, dtype)
        self._block_dtype = dtype
        return self

    def compile_trunk(self, backend: str = "inductor") -> Self:
        """Compile the frozen branches with `torch.compile`, and return self.

        Values stay the same up to rounding, and the state dict does not change.
        """
        self._compiled_graphs = compile_branches(self.backbone, backend)
        return self

    def trainable_state_dict(self) -> dict[str, Tensor]:
        """Return what training changes, by name: adapters, output norms, and what else the design trains."""
        return trainable_state_dict(self)

    def save_adapters(self, path: Path | str) -> None:
        """Write what trains to a safetensors file of a few MB, with the backbone, rank and design it belongs to."""
        write_adapters(path, self.trainable_state_dict(), self._belongs_to())

    def load_adapters(self, path: Path | str) -> None:
        """Load what `save_adapters` wrote, in any form, on top of the same frozen weights.

        Raises `ValueError`, and changes nothing, unless the file has adapters for this kind of backbone, these outputs,
        this rank and this design.
        """
        load_trainable_state_dict(self, read_adapters(path, self._belongs_to()))

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
        """Run one stage and the patch merging after it, where l and e are smallest: (B, H, W, C) each.

        Takes the images, or l and e in later stages. Returns the stage's output, if it has one, and l and e for the
        next stage.
        """
        trunk, highway = inputs if index else self._start(*inputs)
        taps: list[Tensor] = []
        tap_after = self.design.tap == "after_drop_path"
        with torch.no_grad():
            dtype = trunk.dtype
            trunk = trunk.to(self._block_dtype or dtype)
            with recompile_limit(self._compiled_graphs) if self._compiled_graphs else nullcontext():
                for block in self.backbone.stages[index].blocks:
                    trunk = block(trunk, tap=lambda before, after: taps.append(after if tap_after else before))
            trunk = trunk.to(dtype) if self._block_dtype else trunk
        highway = self.highway[index](highway, taps)
        output = self._output(index, trunk, highway) if self.backbone.has_output(index) else None
        if index + 1 == len(self.backbone.stages):
            return output, []
        merge = self.backbone.stages[index + 1].downsample
        with torch.no_grad():
            trunk = merge(trunk)
        own = self.merging[index] if self.design.trains_merging else merge
        return output, [trunk, own(highway)]

    def _start(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> l_0 and e_0, (B, H/4, W/4, C) each."""
        with torch.no_grad():
            patches = self.backbone.patch_embed(images)
        return patches, patches if self.design.start == "patches" else torch.zeros_like(patches)

    def _output(self, index: int, trunk: Tensor, highway: Tensor) -> Tensor:
        return self.backbone.output(index, trunk + highway if self.design.output == "sum" else highway)

    def _belongs_to(self) -> dict[str, str]:
        """Properties that a file of adapters and a model must have in common."""
        return {
            "backbone": describe(self.backbone),
            "outputs": f"of stages {'-'.join(self.backbone.norms)}",
            "rank": str(self.rank),
            "design": ", ".join(f"{name}={value}" for name, value in asdict(self.design).items()),
        }

    def _beside(self, dim: int, taps: int) -> HighwayStage:
        """Build the part of the highway beside one stage of width `dim`, with one adapter per tap."""
        design = self.design
        stage = HighwayStage if self.form == "reference" else FusedHighwayStage
        if not design.can_be_fused:
            stage = StackedHighwayStage if design.layout == "stacked" else HighwayStage
        options = {"residual": design.inner_residual, "starts_zero": design.init == "zero"}
        if design.adapter == "standard":
            return stage([StandardAdapter(dim, **options) for _ in range(taps)])
        return stage([DualLowRankAdapter(dim, self.rank, **options) for _ in range(taps)])
