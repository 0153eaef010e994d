"""The private parts of PyTorch that every simulation uses, each with its purpose.

No other file of drystep uses private parts, except `drystep/torch_replacements.py`. If the installed PyTorch lacks one,
importing this file raises `MissingTorchPartError` with the part, its purpose and the version. Functions of PyTorch are
replaced for the whole process: hold `PATCHING` while they are.
"""

import functools
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

from torch import Tensor, UntypedStorage, nn

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
    library = "PyTorch" if names[0] == "torch" else names[0]
    advice = "install one of" if names[0] == "torch" else "install the release for PyTorch"
    raise MissingTorchPartError(
        f"{library} {version(names[0])} has no {path}, which is needed {purpose}: {advice} {', '.join(KNOWN_VERSIONS)}"
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
find_part("torch.nn.Module._apply", "to copy a model to the device in the order of its parameters")
_conv_settings = find_part("torch.backends.cudnn.conv", "to know whether convolutions take TF32")
device_constructors: Callable[[], set[Any]] = find_part(
    "torch.utils._device._device_constructors", "to know which functions take a device by name"
)
has_kernel: Callable[[str, str], bool] = find_part(
    "torch._C._dispatch_has_kernel_for_dispatch_key", "to know which operators run where, and what they are made of"
)
is_functorch_tensor: Callable[[Tensor], bool] = find_part(
    "torch._C._functorch.is_functorch_wrapped_tensor", "to find the memory of tensors in torch.func"
)
inside_functorch: Callable[[Tensor], Tensor] = find_part(
    "torch._C._functorch.get_unwrapped", "to find the memory of tensors in torch.func"
)
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


@functools.cache
def made_of_others(operator: Any) -> Callable[..., Any] | None:
    """What runs an operator as a series of others, where CUDA has no kernel of its own for it; None where it has one.

    Such are operators on functions (`HigherOrderOperator`), and composite ones where autograd does not take them apart.
    """
    if isinstance(operator, _HigherOrderOperator):
        dense: Callable[..., Any] | None = operator.py_kernels.get(parse_dispatch_key("CompositeExplicitAutograd"))
        return dense
    if not hasattr(operator, "decompose") or has_kernel(operator.name(), "CUDA"):
        return None
    composed: Callable[..., Any] = operator.decompose
    return composed if has_kernel(operator.name(), "CompositeImplicitAutograd") else None
