"""PyTorch's rules that a trace without a GPU would otherwise get wrong: how CUDA allocates, by version and precision.

Inside `semantics(rules, precision, device)`, tensors on `device` (meta or CPU) follow the rules that are chosen
(`drystep/cuda/rules.py`), so that the same code makes the same allocations on meta, on the CPU and on
a GPU.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

import torch

from drystep.cuda import legacy
from drystep.cuda.api.calls import Handlers
from drystep.cuda.api.cuda_by_name import cuda_by_name
from drystep.cuda.api.ignored import Ignored
from drystep.cuda.attention import FUSED_ATTENTION
from drystep.cuda.autocast.casts import MIXED_PRECISIONS, Autocast
from drystep.cuda.autocast.regions import autocast_regions
from drystep.cuda.dispatch import interposed
from drystep.cuda.fused_kernels import FUSED
from drystep.cuda.missing.ctc_loss import READING_LENGTHS
from drystep.cuda.missing.flex_attention import flex_attention_anywhere
from drystep.cuda.programs.accelerate import accelerate_on
from drystep.cuda.recurrent import FUSED_LAYERS
from drystep.cuda.replicas.data_parallel import replicas
from drystep.cuda.rules import PRECISIONS, Rules, rules_of
from drystep.cuda.torchvision_operators import suppression_as_on_cuda
from drystep.errors import choose
from drystep.torch_private import PATCHING


@contextmanager
def _keeping_parameters(device: torch.device) -> Iterator[None]:
    """Make `module.to(device)` put new data into the existing parameters.

    On conversion to meta it would create new ones instead (`Module._apply` in `torch/nn/modules/module.py`). That would
    separate tied weights, and an optimizer that was created before would hold the old ones.
    """
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(before or device.type == "meta")
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


@contextmanager
def semantics(
    rules: Rules | str, precision: str, device: torch.device, handlers: Handlers = MappingProxyType({})
) -> Iterator[Ignored]:
    """Apply rules (or those of a preset) and a precision to tensors on `device`.

    `handlers` replace functions of PyTorch besides those that are replaced on every device.
    They apply to the whole process, so other threads that ask for rules wait until the context ends. Yields which
    functions the program calls in vain, because only a GPU has what they are for. Raises `ValueError` for unknown
    names.
    """
    rules = rules_of(rules)
    choose("precision", precision, PRECISIONS)
    kernels: dict[Any, Any] = {**FUSED, **FUSED_LAYERS, **READING_LENGTHS}
    if rules.softmax_keeps_input:
        kernels |= legacy.SOFTMAX_KEEPS_INPUT
    if rules.relu_keeps_input:
        kernels |= legacy.RELU_KEEPS_INPUT
    if rules.writes_attention:
        kernels |= legacy.WRITES_ATTENTION
    elif device.type != "cpu":
        kernels |= FUSED_ATTENTION
    with PATCHING, ExitStack() as stack:
        stack.enter_context(_keeping_parameters(device))
        if rules.zeroed_gradients:
            stack.enter_context(legacy.zeroed_gradients())
        if rules.ddp:
            stack.enter_context(legacy.gradient_buckets())
        stack.enter_context(interposed(kernels))
        stack.enter_context(autocast_regions(device.type, kernels, precision, rules.version))
        if precision in MIXED_PRECISIONS:
            stack.enter_context(Autocast(MIXED_PRECISIONS[precision], device.type, kernels, rules.version).casting())
        if device.type != "cuda":
            stack.enter_context(replicas(device))
            stack.enter_context(accelerate_on(device))
        stack.enter_context(flex_attention_anywhere())
        stack.enter_context(suppression_as_on_cuda(device))
        yield stack.enter_context(cuda_by_name(device, rules, handlers))
