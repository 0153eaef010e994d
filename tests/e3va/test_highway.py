import pytest
import torch
from torch import Tensor, nn

from e3va import E3VA
from e3va.adapter import DualLowRankAdapter


def test_highway_is_the_papers_equation(tiny_swin) -> None:
    """e_{i+1} = e_i + A1(p1) + A2(p2), patch merging in between, norm(l + e) at the end, with e_0 = l_0."""
    tuned = E3VA(tiny_swin().eval(), rank=2)
    for parameter in tuned.highway.parameters():
        nn.init.normal_(parameter, std=0.1)
    images = torch.randn(1, 3, 64, 96)
    swin = tuned.backbone
    trunk = highway = swin.patch_embed(images)
    for index, (stage, adapters) in enumerate(zip(swin.stages, tuned.highway, strict=True)):
        trunk, highway = stage.downsample(trunk), stage.downsample(highway)
        for number, block in enumerate(stage.blocks):
            first = block.attention_branch(trunk)
            second = block.mlp_branch(trunk + first)
            highway = highway + adapters.adapters[2 * number](first) + adapters.adapters[2 * number + 1](second)
            trunk = trunk + first + second
        torch.testing.assert_close(tuned(images)[index], swin.output(index, trunk + highway))


def test_no_activation_of_the_backbone_is_saved(tiny_swin) -> None:
    """Of all that the frozen trunk computes, backward keeps the branch outputs alone: the adapters' own inputs."""
    tuned = E3VA(tiny_swin(drop_path=0.2), rank=2).train()
    inside: set[int] = set()  # storages that the frozen trunk's modules returned
    kept: list[Tensor] = []

    def remember(module: nn.Module, _: object, output: Tensor) -> None:
        if not torch.is_grad_enabled():
            kept.append(output)  # alive, so that its address is not used again
            inside.add(output.untyped_storage()._cdata)

    branches = {id(b) for block in tuned.backbone.blocks() for b in (block.attention_branch, block.mlp_branch)}
    modules = [m for m in tuned.backbone.modules() if id(m) not in branches]
    handles = [module.register_forward_hook(remember) for module in modules if not isinstance(module, nn.ModuleList)]
    taps = [b.register_forward_hook(lambda m, i, o: tapped.add(o.untyped_storage()._cdata)) for b in _branches(tuned)]
    tapped: set[int] = set()
    saved: set[int] = set()

    def pack(tensor: Tensor) -> Tensor:
        saved.add(tensor.untyped_storage()._cdata)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        tuned(torch.randn(2, 3, 64, 64))
    for handle in (*handles, *taps):
        handle.remove()
    assert len(inside) > 10 * len(tuned.backbone.stages)
    assert tapped <= saved
    assert saved & inside <= tapped  # an identity (no dropout) returns a branch's output as its own


def _branches(tuned: E3VA) -> list[nn.Module]:
    return [b for block in tuned.backbone.blocks() for b in (block.attention_branch, block.mlp_branch)]


def test_no_gradient_reaches_the_backbone(tiny_swin) -> None:
    tuned = E3VA(tiny_swin(), rank=2)
    sum(feature.square().mean() for feature in tuned(torch.randn(1, 3, 64, 64))).backward()
    with_gradient = {name for name, parameter in tuned.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[0] for name in with_gradient} == {"highway", "backbone"}
    assert all(name.startswith(("highway.", "backbone.norms.")) for name in with_gradient)


@pytest.mark.parametrize(("dim", "rank"), [(192, 8), (192, 32), (128, 16)])
def test_adapter_has_the_papers_parameters(dim: int, rank: int) -> None:
    """Two projections of rank 2 alpha between dim and dim / 2, each with a bias (section 3.3)."""
    count = sum(p.numel() for p in DualLowRankAdapter(dim, rank).parameters())
    assert count == 2 * 2 * rank * (dim + dim // 2) + dim + dim // 2


def test_adapter_starts_as_the_identity() -> None:
    x = torch.randn(2, 3, 4, 16)
    assert torch.equal(DualLowRankAdapter(16, 2)(x), x)


def test_adapter_synthesises_its_weights_from_both_branches() -> None:
    adapter = DualLowRankAdapter(16, 2)
    nn.init.normal_(adapter.up_t)
    nn.init.normal_(adapter.up_bias)
    x = torch.randn(5, 16)
    down = adapter.down_s[0] @ adapter.down_t[0] + adapter.down_s[1] @ adapter.down_t[1]
    up = adapter.up_s[0] @ adapter.up_t[0] + adapter.up_s[1] @ adapter.up_t[1]
    expected = x + nn.functional.gelu(x @ down + adapter.down_bias) @ up + adapter.up_bias
    torch.testing.assert_close(adapter(x), expected)
