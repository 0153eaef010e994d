"""Replacements of PyTorch's private functions until a context ends, each for one feature that few programs use.

If the installed PyTorch lacks a part, what replaces it raises `MissingTorchPartError` before anything is changed.
Functions are replaced for the whole process: hold `PATCHING` while they are.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from drystep.torch_private import MissingTorchPartError, find_part


def fused_devices() -> Any:
    """The function that says on which types of devices optimizers can be fused."""
    path = "torch.utils._foreach_utils._get_fused_kernels_supported_devices"
    return find_part(path, "to let optimizers be fused, as on CUDA")


def capturable_devices() -> Any:
    """The function that says on which types of devices optimizers can be capturable."""
    path = "torch.optim.optimizer._get_capturable_supported_devices"
    return find_part(path, "to let optimizers be capturable, as on CUDA")


def device_context() -> Any:
    """The class of `with torch.device(...)` and of the default device."""
    return find_part("torch.utils._device.DeviceContext", "to let the GPU be the default device")


def cast_arguments() -> Any:
    """The function by which `custom_fwd` casts the inputs of autograd functions."""
    return find_part("torch.amp.autocast_mode._cast", "to cast the inputs of autograd functions")


def get_growth_tracker() -> Any:
    """The method of a scaler that reads from the device how many steps it has made without overflow."""
    path = "torch.amp.grad_scaler.GradScaler._get_growth_tracker"
    return find_part(path, "to save the state of a scaler without reading the device")


def running_backward() -> Callable[..., Any]:
    """What `Tensor.backward` and `torch.autograd.grad` call now: PyTorch's function, or its latest replacement."""
    autograd: Any = import_module("torch.autograd")
    return autograd._engine_run_backward


def replacing_run_backward(replacement: Callable[..., Any]) -> AbstractContextManager[Any]:
    """Make `Tensor.backward` and `torch.autograd.grad` call `replacement` (`torch.autograd._engine_run_backward`)."""
    return mock.patch("torch.autograd._engine_run_backward", replacement)


def replacing_scaler(step: Callable[..., Any], update: Callable[..., None]) -> AbstractContextManager[Any]:
    """Replace the functions by which `GradScaler` steps and updates its scale (`_maybe_opt_step`, `update`)."""
    find_part("torch.amp.grad_scaler.GradScaler._maybe_opt_step", "to step a scaler without reading the device")
    return mock.patch.multiple(GradScaler, _maybe_opt_step=step, update=update)


def first_scale(scaler: GradScaler) -> float:
    """The scale with which a scaler begins (`GradScaler._init_scale`)."""
    return float(scaler._init_scale)


def first_growth_tracker(scaler: GradScaler) -> int:
    """How many steps a scaler had made without overflow when it began (`GradScaler._init_growth_tracker`)."""
    return int(scaler._init_growth_tracker)


def forget_unscaled(scaler: GradScaler) -> None:
    """Make a scaler forget that it unscaled its optimizers' gradients (`GradScaler._per_optimizer_states`)."""
    scaler._per_optimizer_states.clear()


def compiling_operator() -> bool:
    """Whether PyTorch itself compiles the functions of an operator, such as flex attention, so that it can run it."""
    parts: Any = import_module("torch._higher_order_ops.utils")
    asks = getattr(parts, "_in_hop_compile", None)  # older versions do not tell
    return asks is not None and bool(asks())


def replacing_dynamo_callbacks(replacement: Callable[[Any], None]) -> AbstractContextManager[Any]:
    """Replace what a compiled region asks for the compiler to call (`torch._dynamo.eval_frame._callback_from_stance`).

    Where the answer is None, the region runs eagerly, with `fullgraph=True` too. Regions of PyTorch's own operators are
    left alone.
    """
    frames: Any = import_module("torch._dynamo.eval_frame")
    original = find_part(f"{frames.__name__}._callback_from_stance", "to run compiled models eagerly")
    count = getattr(frames, "set_fullgraph_compiled_frame_count", None)

    def answer(callback: Any) -> Any:
        return original(callback) if compiling_operator() else replacement(callback)

    def counted(frames_so_far: int) -> Any:
        return count(frames_so_far) if count and compiling_operator() else 0  # 0: somebody else counts already

    replaced: dict[str, Any] = {"_callback_from_stance": answer}
    if count is not None:  # PyTorch 2.14 wants one frame at least to be compiled
        replaced["set_fullgraph_compiled_frame_count"] = counted
    return mock.patch.multiple(frames, **replaced)


def finished_work(future: Any) -> Any:
    """The work of a collective that is done, whose result a future has (`_create_work_from_future`)."""
    return find_part(
        "torch._C._distributed_c10d._create_work_from_future", "to answer collectives without other processes"
    )(future)


@contextmanager
def replacing_group_creation(backend: Callable[[], Any], rendezvous: Callable[..., Any]) -> Iterator[None]:
    """Make process groups of one backend, and find their processes by `rendezvous`.

    Functions of `torch.distributed` may have been imported by name, so their parts are replaced
    (`torch.distributed.distributed_c10d._new_process_group_helper`).
    """
    path = "torch.distributed.distributed_c10d"
    create = find_part(f"{path}._new_process_group_helper", "to make process groups without other processes")

    def create_here(size: int, rank: int, ranks: Any, _: Any, *args: Any, **options: Any) -> Any:
        return create(size, rank, ranks, backend(), *args, **{**options, "backend_options": None, "device_id": None})

    with mock.patch(f"{path}._new_process_group_helper", create_here), mock.patch(f"{path}.rendezvous", rendezvous):
        yield


@contextmanager
def replacing_replica_parts(to_device: Callable[..., Any], verify: Callable[..., Any]) -> Iterator[None]:
    """Replace how DistributedDataParallel moves inputs and compares shapes among processes, which reads the device.

    (`_to_kwargs` and `_verify_param_shape_across_processes` of `torch.nn.parallel.distributed`)
    """
    path = "torch.nn.parallel.distributed"
    for part in ("_to_kwargs", "_verify_param_shape_across_processes"):
        find_part(f"{path}.{part}", "to run DistributedDataParallel without other processes")
    with (
        mock.patch(f"{path}._to_kwargs", to_device),
        mock.patch(f"{path}._verify_param_shape_across_processes", verify),
    ):
        yield


def let_through(key: Any) -> None:
    """Make operators on functions ignore a dispatch key (`HigherOrderOperator.fallthrough`).

    Where PyTorch does not list these operators, they say themselves that they lack a rule for the key.
    """
    try:
        operators = find_part("torch._ops._higher_order_ops", "to run operators on functions")
    except MissingTorchPartError:
        return
    for operator in operators.values():
        if operator.non_fallthrough_keys.has(key) and key not in operator.py_kernels:
            operator.fallthrough(key)


@contextmanager
def replacing_flex_attention(
    prepared: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
    computing: Callable[[], AbstractContextManager[None]],
) -> Iterator[None]:
    """Let `flex_attention` take tensors of any device, and see the operators that compute it where it is not compiled.

    `prepared` replaces query, key and value, and `computing()` is entered while attention is computed. PyTorch traces
    the functions that are given to it, which it otherwise does not do while operators are watched.
    """
    purpose = "to run flex_attention"
    attention: Any = import_module("torch.nn.attention.flex_attention")
    of_operator: Any = import_module("torch._higher_order_ops.flex_attention")
    for part in ("setup_compilation_env", "_enforce_mem_layouts", "_validate_device"):
        find_part(f"{attention.__name__}.{part}", purpose)
    environment, lay_out = attention.setup_compilation_env, attention._enforce_mem_layouts
    derive = find_part(f"{of_operator.__name__}.create_fw_bw_graph", purpose)
    unwatched = find_part("torch.utils._python_dispatch._disable_current_modes", purpose)

    def derived(function: Any, examples: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> Any:
        """Derive a function of scores by tensors without storage, which are no part of the step."""
        tracing_already = type(examples[0]) is not Tensor
        with nullcontext() if tracing_already else unwatched():
            return derive(function, examples, others)

    def laid_out(*tensors: Tensor) -> Any:
        return lay_out(*prepared(*tensors))

    @contextmanager
    def tracing() -> Iterator[Any]:
        frames: Any = import_module("torch._dynamo.convert_frame")
        asked = ("any_torch_dispatch_mode_on_stack", "is_in_any_mode_without_ignore_compile_internals")
        answers: dict[str, Any] = {each: lambda *_: False for each in asked if hasattr(frames, each)}
        # Tracing restores the state of autocast that it reads, which must be PyTorch's own.
        state: dict[str, Any] = {
            name: getattr(torch._C, name) for name in ("is_autocast_enabled", "get_autocast_dtype")
        }
        with (
            warnings.catch_warnings(),
            mock.patch.multiple(torch, **state),
            mock.patch.multiple(frames, **answers),
            environment() as backend,
            computing(),
        ):
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")  # tracing looks
            yield backend

    with (
        mock.patch.object(of_operator, "create_fw_bw_graph", derived),
        mock.patch.multiple(
            attention,
            _validate_device=lambda *_: None,
            _enforce_mem_layouts=laid_out,
            setup_compilation_env=tracing,
        ),
    ):
        yield


def replacing_batched_nms(largest_together: int) -> AbstractContextManager[Any]:
    """Make torchvision suppress boxes of all classes together, up to so many numbers of their corners, on the CPU too.

    Its `batched_nms` does so on a GPU; on a CPU it takes class by class beyond 4000 numbers.
    """
    path, purpose = "torchvision.ops.boxes", "to suppress boxes as on CUDA"
    together = find_part(f"{path}._batched_nms_coordinate_trick", purpose)
    apart = find_part(f"{path}._batched_nms_vanilla", purpose)

    def suppressed(boxes: Tensor, *others: Any) -> Any:
        return (together if boxes.numel() <= largest_together else apart)(boxes, *others)

    return mock.patch(f"{path}._batched_nms_vanilla", suppressed)
