"""What the added modules compute, against the formulas of their papers."""

import torch
from torch import nn
from torch.nn.functional import gelu

from baselines.adapter import ADAPTER, Adapter
from baselines.adaptformer import ADAPTFORMER, SCALE, ParallelBottleneck
from baselines.lorand import LORAND, LoRandAdapter


def test_adapter_stands_between_branch_and_residual(tiny_swin) -> None:
    block = ADAPTER.apply(tiny_swin()).eval().blocks()[0]
    x = torch.randn(1, 9, 9, block.dim)
    attention, mlp = block.attention_branch, block.mlp_branch
    middle = x + _adapter(attention.adapter, attention.branch(x))
    expected = middle + _adapter(mlp.adapter, mlp.branch(middle))
    torch.testing.assert_close(block(x), expected)


def _adapter(adapter: Adapter, x: torch.Tensor) -> torch.Tensor:
    return x + adapter.up(gelu(adapter.down(x)))


def test_adaptformer_reads_the_residual_stream_and_escapes_drop_path(tiny_swin) -> None:
    tuned = ADAPTFORMER.apply(tiny_swin(drop_path=0.9))
    block = tuned.blocks()[-1].train()
    for module in block.modules():
        if isinstance(module, ParallelBottleneck):
            nn.init.normal_(module.up.weight)
            module.dropout.p = 0.0
    x = torch.randn(1, 4, 4, block.dim)
    dropped = []
    for _ in range(60):
        y = block(x)
        first = x + SCALE * block.attention_branch.adapter(x)
        dropped.append(torch.allclose(y, first + SCALE * block.mlp_branch.adapter(first), atol=1e-6))
    assert any(dropped)  # both branches dropped, both adapters still there


def test_lorand_weights_are_sums_of_three_factors_with_a_shared_kernel() -> None:
    adapter = LoRandAdapter(16)
    nn.init.normal_(adapter.down_bias)
    down = sum(p @ k @ q for p, k, q in zip(adapter.down_left, adapter.kernel, adapter.down_right, strict=True))
    up = sum(p @ k @ q for p, k, q in zip(adapter.up_left, adapter.kernel, adapter.up_right, strict=True))
    x = torch.randn(5, 16)
    expected = x + gelu(x @ down.T + adapter.down_bias) @ up.T + adapter.up_bias
    torch.testing.assert_close(adapter(x), expected)


def test_lorand_stands_where_the_adapter_stands(tiny_swin) -> None:
    block = LORAND.apply(tiny_swin()).eval().blocks()[0]
    x = torch.randn(1, 9, 9, block.dim)
    attention, mlp = block.attention_branch, block.mlp_branch
    middle = x + attention.adapter(attention.branch(x))
    torch.testing.assert_close(block(x), middle + mlp.adapter(mlp.branch(middle)))
