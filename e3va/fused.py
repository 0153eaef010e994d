"""The highway of one stage as a single autograd function, with the values and gradients of separate adapters.

Inside a stage the highway is a plain sum, e_out = e_in + sum_j A_j(x_j), so all adapters share one upstream gradient G.
One product with G gives the gradients of all last factors, and one sum those of all biases. The projections stay
factored. With the factors of both branches side by side, r = 2 alpha wide,

    A_j(x) = x + y T_u + b_u,   y = gelu(z T_d + b_d) S_u,   z = x S_d.

Backward only needs x_j, and computes z, the hidden values and y again. Tokens are processed in chunks, so that these
intermediates never exist for all tokens of all adapters at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import gelu

from e3va.adapter import BRANCHES, DualLowRankAdapter

CHUNK_ELEMENTS = 1 << 23
"""Number of elements that the intermediates of one chunk may have together, 32 MiB in fp32. That is thousands of
tokens, so that launching kernels costs little, and at the paper's sizes less than one x_j of the first stage takes."""
PARAMETERS = ("down_s", "down_t", "down_bias", "up_s", "up_t", "up_bias")
"""Names of an adapter's parameters, in the order of the function's arguments."""


def fused_sum(highway: Tensor, taps: Sequence[Tensor], adapters: Sequence[DualLowRankAdapter]) -> Tensor:
    """Return e_in + sum_j A_j(x_j) for the highway e_in and the branch outputs x_j, all (B, H, W, C)."""
    parameters = [getattr(adapter, name) for name in PARAMETERS for adapter in adapters]
    return cast(Tensor, _FusedSum.apply(adapters[0].residual, taps, highway, *parameters))


@dataclass
class _Factors:
    """The stacked factors of J adapters, with both branches side by side, or the gradients of these factors."""

    down_s: Tensor
    """S_d (J, d, r)"""
    down_t: Tensor
    """T_d (J, r, d/2)"""
    down_bias: Tensor
    """b_d (J, d/2)"""
    up_s: Tensor
    """S_u (J, d/2, r)"""
    up_t: Tensor
    """T_u (J r, d)"""

    @classmethod
    def of(cls, parameters: tuple[Tensor, ...], dtype: torch.dtype) -> "_Factors":
        """Stack the parameters, of which there are J for each name."""
        count = len(parameters) // len(PARAMETERS)
        down_s, down_t, down_bias, up_s, up_t = (
            torch.stack(parameters[first : first + count]).to(dtype) for first in range(0, 5 * count, count)
        )
        return cls(
            down_s.transpose(1, 2).flatten(2), down_t.flatten(1, 2), down_bias,
            up_s.transpose(1, 2).flatten(2), up_t.flatten(0, 2),
        )  # fmt: skip

    def zeros(self, dtype: torch.dtype) -> "_Factors":
        """Zeros in the shapes of the factors, to which gradients are added."""
        shapes = (self.down_s, self.down_t, self.down_bias, self.up_s, self.up_t)
        return _Factors(*(torch.zeros_like(factor, dtype=dtype) for factor in shapes))

    def unstacked(self) -> list[Tensor]:
        """Split the factors into one tensor per parameter, in the order that `of` takes."""
        count, dim, rank = self.down_s.shape
        stacked = (
            self.down_s.view(count, dim, BRANCHES, -1).transpose(1, 2).contiguous(),
            self.down_t.view(count, BRANCHES, rank // BRANCHES, -1),
            self.down_bias,
            self.up_s.view(count, -1, BRANCHES, rank // BRANCHES).transpose(1, 2).contiguous(),
            self.up_t.view(count, BRANCHES, rank // BRANCHES, dim),
        )
        return [factor for factors in stacked for factor in factors]

    def chunks(self, tokens: int) -> Iterator[slice]:
        """Slices of the token rows that are processed together."""
        count, hidden, rank = self.up_s.shape
        # y of all adapters and its gradient; of one adapter, the hidden values before and after GELU, and gradients.
        size = max(1, CHUNK_ELEMENTS // (2 * count * rank + 4 * hidden))
        return (slice(first, first + size) for first in range(0, tokens, size))

    def hidden(self, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (n, r) and the hidden values before GELU (n, d/2) of one adapter for x (n, d)."""
        z = x @ self.down_s[index]
        return z, torch.addmm(self.down_bias[index], z, self.down_t[index])


class _FusedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, residual: bool, taps: Sequence[Tensor], highway: Tensor, *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(*taps, *parameters)
        ctx.count, ctx.highway_dtype = len(taps), highway.dtype
        ctx.dtype = _product_dtype(parameters[0])
        factors = _Factors.of(parameters, ctx.dtype)
        out = highway + torch.stack(parameters[-len(taps) :]).sum(0).to(highway.dtype)
        rows_out, rows_in = _rows(out), [_rows(tap) for tap in taps]
        for chunk in factors.chunks(len(rows_out)):
            narrow = []  # y_j (n, r)
            for index, tap in enumerate(rows_in):
                x = tap[chunk].to(ctx.dtype)
                narrow.append(gelu(factors.hidden(index, x)[1]) @ factors.up_s[index])
                if residual:
                    rows_out[chunk] += x
            rows_out[chunk] += torch.cat(narrow, dim=1) @ factors.up_t
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # read once, because activation checkpointing unpacks each tensor a single time
        taps, parameters = saved[: ctx.count], saved[ctx.count :]
        factors = _Factors.of(parameters, ctx.dtype)
        gradients = factors.zeros(parameters[0].dtype)
        rows_gradient, rows_in = _rows(gradient), [_rows(tap) for tap in taps]
        for chunk in factors.chunks(len(rows_gradient)):
            shared = rows_gradient[chunk].to(ctx.dtype)  # G (n, d)
            narrow_gradients = (shared @ factors.up_t.mT).chunk(ctx.count, dim=1)  # (n, r) each
            narrow = [
                _accumulate(gradients, factors, index, tap[chunk].to(ctx.dtype), narrow_gradients[index])
                for index, tap in enumerate(rows_in)
            ]
            gradients.up_t += torch.cat(narrow, dim=1).mT @ shared
        bias_gradient = rows_gradient.sum(0, dtype=parameters[0].dtype)  # equal for all adapters; each gets a copy
        biases = bias_gradient.repeat(ctx.count, 1)
        return None, None, gradient.to(ctx.highway_dtype), *gradients.unstacked(), *biases


def _accumulate(gradients: _Factors, factors: _Factors, index: int, x: Tensor, narrow_gradient: Tensor) -> Tensor:
    """Add to the gradients what one chunk of one adapter contributes, and return y (n, r).

    x is (n, d), and the gradient of y is (n, r).
    """
    z, before = factors.hidden(index, x)
    after = gelu(before)
    gradients.up_s[index] += after.mT @ narrow_gradient
    before_gradient = torch.ops.aten.gelu_backward(narrow_gradient @ factors.up_s[index].mT, before)
    gradients.down_bias[index] += before_gradient.sum(0)
    gradients.down_t[index] += z.mT @ before_gradient
    gradients.down_s[index] += x.mT @ (before_gradient @ factors.down_t[index].mT)
    return after @ factors.up_s[index]


def _rows(x: Tensor) -> Tensor:  # (B, H, W, C) -> (B*H*W, C)
    return x.reshape(-1, x.shape[-1])


def _product_dtype(parameter: Tensor) -> torch.dtype:
    """Type of matrix products here, which autocast may lower. An empty product shows it under any autocast."""
    empty = parameter.new_empty(0, parameter.shape[-1])
    return (empty @ empty.mT).dtype
