"""Workspaces of cuBLAS and cuDNN, which these libraries request from PyTorch's allocator."""

from collections.abc import Iterator
from typing import Any

import torch

from drystep.cuda.convolutions.requests import convolution_backward_workspaces, convolution_workspaces
from drystep.cuda.failures import failure_of
from drystep.cuda.rules import Rules
from drystep.cuda.scratch.reductions import SUMS, reduction_workspaces
from drystep.cuda.scratch.temporaries import TEMPORARIES
from drystep.operators import Workspace, registered

aten = torch.ops.aten

GEMMS = frozenset({
    aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default, aten.addbmm.default,
    aten.mv.default, aten.addmv.default, aten.dot.default,
})  # fmt: skip


CONVOLUTIONS = frozenset({aten.convolution.default, aten.convolution_backward.default})
PADDED_RESULTS = frozenset({aten._scaled_dot_product_efficient_attention.default})
"""Operators that pad a result: this attention fills the rows of its logsumexp up to a multiple of 32."""
DECIDED_BY_ARGUMENTS = CONVOLUTIONS | SUMS | TEMPORARIES.keys() | PADDED_RESULTS


class Workspaces:
    """The workspaces that an operator requests, given its arguments and which threads have a cuBLAS handle already."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._threads_with_handle: set[bool] = set()
        self.failures: dict[str, None] = {}
        """Sentences about calls that a GPU would fail at, in order."""

    def __call__(self, func: Any, args: tuple[Any, ...], in_backward: bool) -> Iterator[Workspace]:
        """Yield the requests of one call, in order."""
        if func in GEMMS:
            yield from self._handle(in_backward)
        elif func is aten.convolution.default:
            yield from convolution_workspaces(self._rules, *args)
        elif func is aten.convolution_backward.default:
            yield from convolution_backward_workspaces(self._rules, *args)
        elif func in SUMS:
            yield from reduction_workspaces(*args)
        elif func in TEMPORARIES:
            yield from TEMPORARIES[func](*args)
        elif failure := failure_of(func, args, self._rules):
            self.failures[failure] = None
        else:
            stated = registered(func)
            if stated is not None and stated.workspaces is not None:
                yield from stated.workspaces(args)

    @staticmethod
    def may_request(func: Any) -> bool:
        """Whether the arguments of an operator decide about its workspaces, or pad its results.

        Those of matrix products do not.
        """
        if func in DECIDED_BY_ARGUMENTS:
            return True
        stated = registered(func)
        return stated is not None and stated.workspaces is not None

    def _handle(self, in_backward: bool) -> Iterator[Workspace]:
        """Yield the workspace of a thread's handle at its first product: caller and autograd have a thread each.

        It is never freed. A handle takes nothing from PyTorch's allocator where its size is 0.
        """
        size_bytes = self._rules.cublas_workspace_bytes
        if size_bytes and in_backward not in self._threads_with_handle:
            self._threads_with_handle.add(in_backward)
            yield Workspace(size_bytes, soft=False, kept=True)
