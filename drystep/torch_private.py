"""The private parts of PyTorch that drystep uses or replaces, each with its purpose.

No other file of drystep uses private parts. If the installed PyTorch lacks one, importing this file raises
`MissingTorchPartError` with the part, its purpose and the version. Functions of PyTorch are replaced for the whole
process: hold `PATCHING` while they are.
"""

import functools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from importlib.metadata import version
from typing import Any
from unittest import mock

import torch
from torch import Tensor, UntypedStorage, nn
from torch.amp.grad_scaler import GradScaler

KNOWN_VERSIONS = ("2.11", "2.14")
"""Releases of PyTorch that the tests passed with; `pyproject.toml` says the same."""
PATCHING = threading.RLock()
"""Held while functions of PyTorch are replaced, so that threads wait for each other. It can be taken repeatedly."""


class MissingTorchPartError(ImportError):
    """The installed PyTorch lacks a private part that is needed here."""


class UntestedTorchWarning(UserWarning):
    """The installed PyTorch is none of `KNOWN_VERSIONS`."""


@functools.cache
def warn_if_untested() -> None:
    """Warn once per process if the tests were never run with the installed PyTorch."""
    installed = version("torch")
    if not any(installed == known or installed.startswith(f"{known}.") for known in KNOWN_VERSIONS):
        warnings.warn(
            f"PyTorch {installed} is untested: drystep is known to work with {' and '.join(KNOWN_VERSIONS)}, and its "
            "figures follow the rules of those",
            UntestedTorchWarning,
            stacklevel=3,
        )


def find_part(path: str, purpose: str) -> Any:
    """Return the object at a dotted path, such as "torch._C._current_autograd_node".

    Raises `MissingTorchPartError`, which includes the purpose ("to ..."), if the installed PyTorch has no such object.
    """
    names = path.split(".")
    for count in range(len(names), 0, -1):
        try:
            found: Any = import_module(".".join(names[:count]))
        except ImportError:
            continue
        try:
            return functools.reduce(getattr, names[count:], found)
        except AttributeError:
            break
    raise MissingTorchPartError(
        f"PyTorch {version('torch')} has no {path}, which is needed {purpose}: install one of "
        f"{', '.join(KNOWN_VERSIONS)}"
    )


# For tracing: which operators run, and for which module.
DispatchMode: Any = find_part("torch.utils._python_dispatch.TorchDispatchMode", "to see the operators of a step")
current_graph_task_id: Callable[[], int] = find_part(
    "torch._C._current_graph_task_id", "to tell the forward pass from the backward pass"
)
current_autograd_node: Callable[[], Any] = find_part(
    "torch._C._current_autograd_node", "to name the module that a backward operator belongs to"
)
next_node_number: Callable[[], int] = find_part(
    "torch._C._autograd._get_sequence_nr", "to name the module that a backward operator belongs to"
)
_HigherOrderOperator: Any = find_part("torch._ops.HigherOrderOperator", "to see what operators on functions do")
_has_kernel: Callable[[str, str], bool] = find_part(
    "torch._C._dispatch_has_kernel_for_dispatch_key", "to see what operators are made of"
)
find_part("torch.autograd.graph.Node._sequence_nr", "to name the module that a backward operator belongs to")
find_part("torch.UntypedStorage._cdata", "to tell which tensors share their memory")

# For CUDA's rules on other devices: a dispatch key above autograd, where operators are replaced.
parse_dispatch_key: Callable[[str], Any] = find_part(
    "torch._C._parse_dispatch_key", "to put CUDA's kernels in the place of operators"
)
DispatchKeySet: Any = find_part("torch._C.DispatchKeySet", "to put CUDA's kernels in the place of operators")
keys_after: Callable[[Any], Any] = find_part(
    "torch._C._dispatch_keyset_full_after", "to go on below a replaced operator"
)
include_key: Any = find_part("torch._C._IncludeDispatchKeyGuard", "to replace operators in one thread alone")
exclude_keys: Any = find_part("torch._C._ExcludeDispatchKeyGuard", "to run a rule without replacing it again")
suggest_memory_format: Callable[[Tensor], Any] = find_part(
    "torch._prims_common.suggest_memory_format", "to lay convolutions out as cuDNN does"
)
tree_map: Callable[[Callable[[Any], Any], Any], Any] = find_part(
    "torch.utils._pytree.tree_map", "to cast the arguments of operators under autocast"
)
below_autograd: Any = find_part("torch._C._AutoDispatchBelowAutograd", "to run operators on the host without gradients")
find_part("torch.autograd._engine_run_backward", "to clear autocast's copies of weights before a backward pass")
foreach_devices: Any = find_part(
    "torch.utils._foreach_utils._get_foreach_kernels_supported_devices",
    "to give optimizers their foreach form, as on CUDA",
)
fused_devices: Any = find_part(
    "torch.utils._foreach_utils._get_fused_kernels_supported_devices", "to let optimizers be fused, as on CUDA"
)
capturable_devices: Any = find_part(
    "torch.optim.optimizer._get_capturable_supported_devices", "to let optimizers be capturable, as on CUDA"
)
find_part("torch.amp.grad_scaler.GradScaler._maybe_opt_step", "to step a scaled optimizer without reading the device")
find_part("torch.nn.Module._apply", "to copy a model to the device in the order of its parameters")
_conv_settings = find_part("torch.backends.cudnn.conv", "to know whether convolutions take TF32")
device_constructors: Callable[[], set[Any]] = find_part(
    "torch.utils._device._device_constructors", "to know which functions take a device by name"
)
DeviceContext: Any = find_part("torch.utils._device.DeviceContext", "to let the GPU be the default device")
get_growth_tracker: Any = find_part(
    "torch.amp.grad_scaler.GradScaler._get_growth_tracker", "to save the state of a scaler without reading the device"
)
has_kernel: Callable[[str, str], bool] = find_part(
    "torch._C._dispatch_has_kernel_for_dispatch_key", "to know which operators cannot run on the meta device"
)
is_functorch_tensor: Callable[[Tensor], bool] = find_part(
    "torch._C._functorch.is_functorch_wrapped_tensor", "to find the memory of tensors in torch.func"
)
inside_functorch: Callable[[Tensor], Tensor] = find_part(
    "torch._C._functorch.get_unwrapped", "to find the memory of tensors in torch.func"
)
cast_arguments: Any = find_part("torch.amp.autocast_mode._cast", "to cast the inputs of autograd functions")
find_part("torch.Tensor._is_view", "to know which weights autocast keeps a copy of")


def clear_cublas_workspaces() -> None:
    """Free cuBLAS's workspaces, so that the next step allocates them again. Only for processes that use CUDA."""
    find_part("torch._C._cuda_clearCublasWorkspaces", "to free cuBLAS's workspaces between measurements")()


def record_memory(most_entries: int) -> None:
    """Begin to record what the caching allocator does, without stacks; of more entries, the first are lost."""
    record = find_part("torch.cuda.memory._record_memory_history", "to record what the allocator is asked for")
    record(enabled="all", context=None, stacks="python", max_entries=most_entries)


def memory_snapshot() -> dict[str, Any]:
    """What the caching allocator holds, and what it has done since `record_memory`."""
    return find_part("torch.cuda.memory._snapshot", "to read what the allocator was asked for")()


def mem_tracker_classes() -> tuple[Any, Any]:
    """Return `FakeTensorMode` and `MemTracker`, which is PyTorch's own memory estimator."""
    purpose = "to run PyTorch's own MemTracker beside the simulation"
    fake_mode = find_part("torch._subclasses.fake_tensor.FakeTensorMode", purpose)
    return fake_mode, find_part("torch.distributed._tools.mem_tracker.MemTracker", purpose)


def convolutions_take_tf32() -> bool:
    """Whether convolutions in float32 may run in TF32, whether the program has set it by the older API or the newer."""
    convolutions: Any = _conv_settings
    return bool(convolutions.fp32_precision == "tf32")


def storage_key(tensor: Tensor) -> int:
    """Key of a tensor's storage, unique among the storages that are alive (`UntypedStorage._cdata`)."""
    return tensor.untyped_storage()._cdata


def key_of(storage: UntypedStorage) -> int:
    """Key of a storage, unique among the storages that are alive (`UntypedStorage._cdata`)."""
    return storage._cdata


def node_number(node: Any) -> int:
    """Number of an autograd node. Nodes are numbered in the order of their creation (`Node._sequence_nr`)."""
    return node._sequence_nr()


def is_view(tensor: Tensor) -> bool:
    """Whether the tensor is a view of another one for autograd (`Tensor._is_view`)."""
    return tensor._is_view()


def schema_of(operator: Any) -> Any:
    """Schema of an operator overload: what it mutates and aliases (`OpOverload._schema`). None for other objects."""
    return getattr(operator, "_schema", None)


def apply_to_tensors(module: nn.Module, function: Callable[[Tensor], Tensor]) -> nn.Module:
    """Replace every parameter and buffer by the result of a function (`Module._apply`, as in `Module.to`)."""
    return module._apply(function)


def running_backward() -> Callable[..., Any]:
    """What `Tensor.backward` and `torch.autograd.grad` call now: PyTorch's function, or its latest replacement."""
    autograd: Any = import_module("torch.autograd")
    return autograd._engine_run_backward


def replacing_run_backward(replacement: Callable[..., Any]) -> AbstractContextManager[Any]:
    """Make `Tensor.backward` and `torch.autograd.grad` call `replacement` (`torch.autograd._engine_run_backward`)."""
    return mock.patch("torch.autograd._engine_run_backward", replacement)


def replacing_scaler(step: Callable[..., Any], update: Callable[..., None]) -> AbstractContextManager[Any]:
    """Replace the functions by which `GradScaler` steps and updates its scale (`_maybe_opt_step`, `update`)."""
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

    Where the answer is None, the region runs eagerly. Regions of PyTorch's own operators are left alone.
    """
    path = "torch._dynamo.eval_frame._callback_from_stance"
    original = find_part(path, "to run compiled models eagerly")

    def answer(callback: Any) -> Any:
        return original(callback) if compiling_operator() else replacement(callback)

    return mock.patch(path, answer)


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


@functools.cache
def made_of_others(operator: Any) -> Callable[..., Any] | None:
    """What runs an operator as a series of others, where CUDA has no kernel of its own for it; None where it has one.

    Such are operators on functions (`HigherOrderOperator`), and composite ones where autograd does not take them apart.
    """
    if isinstance(operator, _HigherOrderOperator):
        dense: Callable[..., Any] | None = operator.py_kernels.get(parse_dispatch_key("CompositeExplicitAutograd"))
        return dense
    if not hasattr(operator, "decompose") or _has_kernel(operator.name(), "CUDA"):
        return None
    composed: Callable[..., Any] = operator.decompose
    return composed if _has_kernel(operator.name(), "CompositeImplicitAutograd") else None


def let_through(key: Any) -> None:
    """Make operators on functions ignore a dispatch key (`HigherOrderOperator.fallthrough`)."""
    for operator in find_part("torch._ops._higher_order_ops", "to run operators on functions").values():
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
    attention: Any = import_module("torch.nn.attention.flex_attention")
    of_operator: Any = import_module("torch._higher_order_ops.flex_attention")
    unwatched = find_part("torch.utils._python_dispatch._disable_current_modes", "to run flex_attention")

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

    environment, lay_out = attention.setup_compilation_env, attention._enforce_mem_layouts
    derive = of_operator.create_fw_bw_graph
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
    boxes_of: Any = import_module("torchvision.ops.boxes")
    together, apart = boxes_of._batched_nms_coordinate_trick, boxes_of._batched_nms_vanilla

    def suppressed(boxes: Tensor, *others: Any) -> Any:
        return (together if boxes.numel() <= largest_together else apart)(boxes, *others)

    return mock.patch.object(boxes_of, "_batched_nms_vanilla", suppressed)
