"""Workspaces of cuBLAS and cuDNN, which these libraries request from PyTorch's allocator.

A workspace of cuBLAS is never freed. The workspace of a convolution lasts as long as the call, and is *soft*: if it
cannot be allocated, cuDNN's next engine runs instead (`try_plans` in `aten/src/ATen/native/cudnn/Conv_v8.cpp`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Workspace, registered

aten = torch.ops.aten

GEMMS = frozenset({
    aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default, aten.addbmm.default,
    aten.mv.default, aten.addmv.default, aten.dot.default,
})  # fmt: skip

TENSOR_CORE_DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})
"""Types whose convolutions run on tensor cores (float32 as TF32, which is PyTorch's default for convolutions)."""


class Workspaces:
    """The workspaces that an operator requests, given its arguments and which threads have a cuBLAS handle already.

    `cublas_bytes` is what a cuBLAS handle takes from PyTorch's allocator; 0 where it takes nothing from there.
    """

    def __init__(self, cublas_bytes: int) -> None:
        self._cublas_bytes = cublas_bytes
        self._threads_with_handle: set[bool] = set()

    def __call__(self, func: Any, args: tuple[Any, ...], in_backward: bool) -> Iterator[Workspace]:
        """Yield the requests of one call, in order."""
        if func in GEMMS:
            yield from self._handle(in_backward)
        elif func is aten.convolution.default:
            yield from forward_convolution(*args)
        elif func is aten.convolution_backward.default:
            yield from backward_convolution(*args)
        else:
            stated = registered(func)
            if stated is not None and stated.workspaces is not None:
                yield from stated.workspaces(args)

    def _handle(self, in_backward: bool) -> Iterator[Workspace]:
        """Yield the workspace of a thread's handle at its first product: caller and autograd have a thread each."""
        if self._cublas_bytes and in_backward not in self._threads_with_handle:
            self._threads_with_handle.add(in_backward)
            yield Workspace(self._cublas_bytes, soft=False, kept=True)


def forward_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Any, dilation: Sequence[int],
    transposed: bool, output_padding: Any, groups: int,
) -> Iterator[Workspace]:  # fmt: skip
    """Yield the workspace of a forward convolution, into which an NCHW input and the filter are copied.

    Tensor-core kernels read NHWC and write NCHW (`..._fprop_implicit_gemm_..._nhwckrsc_nchw_...`). 3x3 filters of
    stride 1 use Winograd's algorithm instead, which needs less than half of the multiplications and whose fused kernels
    read NCHW.
    """
    winograd = tuple(weight.shape[2:]) == (3, 3) and set(stride) == {1} == set(dilation)
    if groups == 1 and not transposed and not winograd and _is_converted(input):
        yield Workspace(_bytes(input, weight), soft=True, kept=False)


def backward_convolution(
    grad_output: Tensor, input: Tensor, weight: Tensor, bias_sizes: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, wanted: Sequence[bool],
) -> Iterator[Workspace]:  # fmt: skip
    """Yield the workspaces of a grouped convolution's gradients.

    Its kernels read and write NHWC, so both maps and the filter are copied. Dense convolutions run without copies,
    which would have shown in the measurements (`drystep/ground_truth/README.md`).
    """
    if groups > 1 and not transposed and not _is_depthwise(input, groups) and _is_converted(input):
        for _ in filter(None, wanted[:2]):  # the input's gradient, then the filter's, one after the other
            yield Workspace(_bytes(input, weight, grad_output), soft=True, kept=False)


def _is_converted(input: Tensor) -> bool:
    return input.dtype in TENSOR_CORE_DTYPES and input.dim() == 4 and input.is_contiguous()


def _is_depthwise(input: Tensor, groups: int) -> bool:
    """Whether PyTorch's own depthwise kernel runs, which reads NCHW (`use_cudnn_depthwise`, native/Convolution.cpp)."""
    return groups == input.shape[1]


def _bytes(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
