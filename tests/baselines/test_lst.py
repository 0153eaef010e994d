import pytest
import torch
from torch import Tensor, nn

from baselines.lst import LadderSideTuning
from e3va.backbones.swin import build_swin


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize(("name", "width"), [("swin_large", 192), ("swin_base", 128)])
def test_parameters_by_arithmetic(name: str, width: int) -> None:
    """Side blocks of an eighth of the width with all heads, a rung and a gate each; mergers, norms, upsamples."""
    expected = width * width // 8 + width // 8  # the first rung
    for stage, depth in enumerate((2, 2, 18, 2)):
        d, heads = width << stage, (width // 32) << stage
        s = d // 8
        expected += depth * (12 * s**2 + 13 * s + 169 * heads + d * s + s + 1)
        expected += (8 * (s // 2) ** 2 + 8 * (s // 2)) if stage else 0
        expected += 2 * s + s * d + d
    assert _params(LadderSideTuning(build_swin(name, device="meta"))) == expected


def test_output_is_the_ladder_by_hand(tiny_swin) -> None:
    """s_i = block_i(mu down_i(l_i) + (1 - mu) s_{i-1}), mu = sigmoid(alpha / 0.1); output norm(l + up(norm(s)))."""
    tuned = LadderSideTuning(tiny_swin()).eval()
    for parameter in tuned.side.parameters():
        nn.init.normal_(parameter, std=0.1)
    images = torch.randn(1, 3, 64, 96)
    swin, side = tuned.backbone, tuned.side
    trunk = swin.patch_embed(images)
    narrow = side.first(trunk)
    for index, (stage, ladder) in enumerate(zip(swin.stages, side.stages, strict=True)):
        trunk, narrow = stage.downsample(trunk), ladder.downsample(narrow)
        for number, block in enumerate(stage.blocks):
            trunk = block(trunk)
            mu = torch.sigmoid(ladder.gates[number] / 0.1)
            narrow = ladder.blocks[number](mu * ladder.rungs[number](trunk) + (1 - mu) * narrow)
        assert narrow.shape[-1] * 8 == trunk.shape[-1]
        expected = swin.output(index, trunk + side.ups[str(index)](narrow))
        torch.testing.assert_close(tuned(images)[index], expected)


def test_pruning_keeps_the_channels_that_carry_weight(tiny_swin) -> None:
    """With weights on an eighth of all channels, and no norms, the pruned layers compute what the whole ones do."""
    swin = tiny_swin()
    kept = {16 << stage: sorted(torch.randperm(16 << stage)[: 2 << stage].tolist()) for stage in range(4)}
    _keep_rows(swin.patch_embed.proj, kept[16])
    for stage in swin.stages[1:]:
        _keep_rows(stage.downsample.reduction, kept[stage.blocks[0].dim])
    block = swin.stages[1].blocks[1]  # shifted; 32 channels, 2 heads of 16, of which 2 stay
    attention, mlp = block.attention_branch.block.attn, block.mlp_branch.mlp
    _keep_rows(attention.qkv, [part * 32 + row for part in range(3) for row in (1, 14, 16, 23)])
    _keep_rows(mlp.fc1, list(range(5, 128, 8)))
    tuned = LadderSideTuning(swin)

    def compare(whole: nn.Module, pruned: nn.Module, before: list[int], after: list[int]) -> None:
        narrow = torch.randn(1, 12, 20, len(before))
        wide = torch.zeros(1, 12, 20, whole_dim := 16 * len(before) // 2)
        assert whole_dim in kept
        wide[..., before] = narrow
        torch.testing.assert_close(pruned(narrow), whole(wide)[..., after])

    merging, narrow_merging = swin.stages[1].downsample, tuned.side.stages[1].downsample
    merging.norm = narrow_merging.norm = nn.Identity()
    compare(merging, narrow_merging, kept[16], kept[32])
    narrow_block = tuned.side.stages[1].blocks[1]
    assert narrow_block.attention_branch.block.attn.scale == 2**-0.5
    narrow_block.attention_branch.block.attn.scale = attention.scale
    for either in (block, narrow_block):
        either.attention_branch.block.norm1 = either.mlp_branch.norm = nn.Identity()
    compare(block.attention_branch, narrow_block.attention_branch, kept[32], kept[32])
    compare(block.mlp_branch, narrow_block.mlp_branch, kept[32], kept[32])


@torch.no_grad()
def _keep_rows(layer: nn.Linear | nn.Conv2d, rows: list[int]) -> None:
    others = [row for row in range(len(layer.weight)) if row not in rows]
    layer.weight[others] = 0
    if layer.bias is not None:
        layer.bias[others] = 0


def test_backward_keeps_one_map_per_block_of_the_trunk(tiny_swin) -> None:
    """A rung's gradient needs the block's output; nothing else of the trunk is saved at full width."""
    tuned = LadderSideTuning(tiny_swin())
    wide: set[int] = set()

    def pack(tensor: Tensor) -> Tensor:
        if tensor.numel() == 128 * 2 * 2 and tensor.shape[-1] == 128:  # the last stage's map, as it is or flattened
            wide.add(tensor.untyped_storage()._cdata)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        tuned(torch.randn(1, 3, 64, 64))
    assert len(wide) == 2 + 1  # two blocks, and the input of the output norm


def test_a_width_that_does_not_divide(tiny_swin) -> None:
    swin = tiny_swin()
    swin.patch_embed.proj = nn.Conv2d(3, 12, 4, 4)
    with pytest.raises(ValueError, match="a width of 12 does not divide by 8"):
        LadderSideTuning(swin)
