"""LSTM, GRU and plain recurrent layers as cuDNN computes them: one fused call instead of a cell for each step in time.

cuDNN keeps what its backward pass needs in a reserve space, and works in a workspace; both come from PyTorch's
allocator (`_cudnn_rnn` in `aten/src/ATen/native/cudnn/RNN.cpp`). cuDNN does not publish their sizes. What pytorch#2895
prints of 4 layers of 320 units fits 100 samples of 250 steps (inferred: the numbers of parameters give the layers, and
both sizes together the samples), if an LSTM keeps 5 values a unit (four gates and the cell) and a GRU 6, and each but
the last layer its output. That a plain layer keeps its output alone is an assumption.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drystep.cuda.dispatch import Replacements
from drystep.operators import Work, Workspace, precision_of, register_operator

aten = torch.ops.aten
SUPPORTED = (torch.float16, torch.float32, torch.float64)
"""Types that cuDNN's layers take (`cudnn_is_acceptable`)."""


@dataclass(frozen=True)
class Cell:
    """What one unit of a cell keeps and works on."""

    kept: int
    """Values in the reserve space, besides the layer's output."""
    worked_on: int
    """Values in the workspace, for one step in time."""


LSTM, GRU, PLAIN = Cell(kept=5, worked_on=11), Cell(kept=6, worked_on=8), Cell(kept=0, worked_on=1)
CELLS = {"lstm": LSTM, "gru": GRU, "rnn_tanh": PLAIN, "rnn_relu": PLAIN}


@torch.library.custom_op("drystep::recurrent", mutates_args=())
def recurrent(
    input: Tensor, weights: Sequence[Tensor], cell: str, layers: int, directions: int, hidden: int, train: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the output (time, batch, directions x hidden), the last states, the last cells and the reserve space."""
    raise NotImplementedError("it stands for cuDNN's call on tensors without values")


@recurrent.register_fake
def _(
    input: Tensor, weights: Sequence[Tensor], cell: str, layers: int, directions: int, hidden: int, train: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    steps, batch, _ = input.shape  # (T, B, C)
    states = input.new_empty(layers * directions, batch, hidden)
    values = steps * batch * directions * hidden * (CELLS[cell].kept * layers + layers - 1) if train else 0
    return (
        input.new_empty(steps, batch, directions * hidden),
        states,
        torch.empty_like(states) if cell == "lstm" else states.new_empty(0),
        input.new_empty(values * input.element_size(), dtype=torch.uint8),
    )


@torch.library.custom_op("drystep::recurrent_backward", mutates_args=())
def recurrent_backward(
    grad: Tensor, input: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], cell: str, hidden: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Return the gradients of the input and the first states, and those of all weights in one tensor."""
    raise NotImplementedError("it stands for cuDNN's call on tensors without values")


@recurrent_backward.register_fake
def _(
    grad: Tensor, input: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], cell: str, hidden: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    of_states = [torch.empty_like(state) for state in states]
    return torch.empty_like(input), of_states, weights[0].new_empty(sum(weight.numel() for weight in weights))


class _Recurrent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, cell: str, sizes: tuple[int, int, int, bool], *rest: Tensor) -> Any:
        count = 2 if cell == "lstm" else 1  # first states, of an LSTM also first cells
        output, last, last_cells, reserve = torch.ops.drystep.recurrent(input, rest[count:], cell, *sizes)
        ctx.save_for_backward(input, output, reserve, *rest)
        ctx.cell, ctx.hidden, ctx.count = cell, sizes[2], count
        return output, last, last_cells

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        input, _output, _reserve, *rest = ctx.saved_tensors
        states, weights = rest[: ctx.count], rest[ctx.count :]
        of_input, of_states, of_weights = torch.ops.drystep.recurrent_backward(
            grads[0], input, weights, states, ctx.cell, ctx.hidden
        )
        parts = of_weights.split([weight.numel() for weight in weights])
        shaped = [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]
        return of_input, None, None, *of_states, *shaped


def _layers(cell: str) -> Any:
    """The replacement of an operator such as `aten.lstm.input`."""
    operator = getattr(aten, cell).input

    def layers(
        input: Tensor, states: Any, weights: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
        train: bool, bidirectional: bool, batch_first: bool,
    ) -> Any:  # fmt: skip
        first = list(states) if cell == "lstm" else [states]
        directions, per_layer = 2 if bidirectional else 1, 4 if has_biases else 2
        projects = len(weights) != num_layers * directions * per_layer
        kind, dtype = input.device.type, input.dtype
        if torch.is_autocast_enabled(kind):  # whatever enters is cast (`_cudnn_rnn_cast_reflatten` in `cudnn/RNN.cpp`)
            dtype = torch.get_autocast_dtype(kind)
        if dtype not in SUPPORTED or projects or kind != "meta":
            return operator(input, states, weights, has_biases, num_layers, dropout, train, bidirectional, batch_first)
        timed = (input.transpose(0, 1) if batch_first else input).to(dtype).contiguous()  # (T, B, C)
        entering = (tensor.to(dtype) for tensor in (*first, *weights))
        sizes = (num_layers, directions, first[0].shape[-1], train)
        output, last, last_cells = _Recurrent.apply(timed, cell, sizes, *entering)
        output = output.transpose(0, 1) if batch_first else output
        return (output, last, last_cells) if cell == "lstm" else (output, last)

    return layers


def _matrices(weights: Sequence[Tensor]) -> int:
    return sum(weight.numel() for weight in weights if weight.dim() == 2)


def _forward_workspace(args: tuple[Any, ...]) -> Iterator[Workspace]:
    """Matrices in another layout, and the values of one step in time."""
    input, weights, cell, layers, directions, hidden, _ = args
    values = _matrices(weights) + layers * directions * input.shape[1] * hidden * CELLS[cell].worked_on
    yield Workspace(values * input.element_size(), soft=False, kept=False)


def _backward_workspace(args: tuple[Any, ...]) -> Iterator[Workspace]:
    _, input, weights, states, cell, hidden = args
    values = _matrices(weights) + states[0].shape[0] * input.shape[1] * hidden * CELLS[cell].worked_on
    yield Workspace(values * input.element_size(), soft=False, kept=False)


def _forward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    input, weights, _, layers, directions, hidden, _ = args
    return _work(input, weights, layers * directions, hidden, 1, result)


def _backward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Two products for each of the forward pass: for the gradients of what entered it, and of the weights."""
    grad, input, weights, states, _, hidden = args
    return _work(input, weights, states[0].shape[0], hidden, 2, (grad, result[0]))


def _work(
    input: Tensor, weights: Sequence[Tensor], layers: int, hidden: int, products: int, others: Sequence[Tensor]
) -> Work:
    """Count the products of every step in time with all matrices: two launches for each layer and direction."""
    steps, batch, _ = input.shape
    moved = sum(tensor.numel() * tensor.element_size() for tensor in (input, *weights, *others))
    flops = products * 2 * steps * batch * _matrices(weights)
    group = f"recurrent.{precision_of(input.dtype)}"
    kernels = products * 2 * layers
    return Work("linear", flops, products * moved, kernels, input.dtype, min(batch, hidden), hidden, group=group)


register_operator(torch.ops.drystep.recurrent.default, work=_forward_work, workspaces=_forward_workspace)
register_operator(torch.ops.drystep.recurrent_backward.default, work=_backward_work, workspaces=_backward_workspace)

FUSED_LAYERS: Replacements = {getattr(aten, cell).input: _layers(cell) for cell in CELLS}
"""Of tensors of sequences of one length; packed sequences run as cells."""
