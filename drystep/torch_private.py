"""The private parts of PyTorch that are used or replaced here: each with what breaks without it, all in one place.

Nothing else in the repository reaches for them. A PyTorch that lacks one raises `MissingTorchPartError` when this file
is imported, with the part, what it is for, and the version. What a step replaces for its duration is process-wide: hold
`PATCHING` around it.
"""

import functools
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import version
from typing import Any
from unittest import mock

from torch import Tensor, UntypedStorage, nn
from torch.amp.grad_scaler import GradScaler

KNOWN_VERSIONS = ("2.11", "2.14")
"""Releases of PyTorch that the tests passed with; `pyproject.toml` says the same."""
PATCHING = threading.RLock()
"""Held while functions of PyTorch are replaced: threads that simulate wait for each other, nested ones do not."""


class MissingTorchPartError(ImportError):
    """The installed PyTorch lacks a private part that is needed here."""


class UntestedTorchWarning(UserWarning):
    """The installed PyTorch is none of `KNOWN_VERSIONS`."""


@functools.cache
def warn_if_untested() -> None:
    """Warn, once per process, of a PyTorch that the tests never ran with."""
    installed = version("torch")
    if not any(installed == known or installed.startswith(f"{known}.") for known in KNOWN_VERSIONS):
        warnings.warn(
            f"PyTorch {installed} is untested: drystep is known to work with {' and '.join(KNOWN_VERSIONS)}, and its "
            "figures follow the rules of those",
            UntestedTorchWarning,
            stacklevel=3,
        )


def find_part(path: str, purpose: str) -> Any:
    """The object at a dotted path, such as "torch._C._current_autograd_node".

    Raises `MissingTorchPartError` with the purpose ("to ...") where the installed PyTorch has none.
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


# Trace: which operators run, and for whom.
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
find_part("torch.autograd.graph.Node._sequence_nr", "to name the module that a backward operator belongs to")
find_part("torch.UntypedStorage._cdata", "to tell which tensors share their memory")

# CUDA's rules on other devices: a dispatch key above autograd, where operators are replaced.
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
run_backward: Callable[..., Any] = find_part(
    "torch.autograd.graph._engine_run_backward", "to clear autocast's copies of weights before a backward pass"
)
find_part("torch.autograd._engine_run_backward", "to clear autocast's copies of weights before a backward pass")
find_part(
    "torch.optim.optimizer._get_foreach_kernels_supported_devices", "to give optimizers their foreach form, as on CUDA"
)
find_part("torch.amp.grad_scaler.GradScaler._maybe_opt_step", "to step a scaled optimizer without reading the device")
find_part("torch.nn.Module._apply", "to copy a model to the device in the order of its parameters")
find_part("torch.Tensor._is_view", "to know which weights autocast keeps a copy of")


def clear_cublas_workspaces() -> None:
    """Free cuBLAS's workspaces, so that the next step asks for them anew; for processes with CUDA alone."""
    find_part("torch._C._cuda_clearCublasWorkspaces", "to free cuBLAS's workspaces between measurements")()


def mem_tracker_classes() -> tuple[Any, Any]:
    """`FakeTensorMode` and `MemTracker`, PyTorch's own estimator, to compare with."""
    purpose = "to run PyTorch's own MemTracker beside the simulation"
    fake_mode = find_part("torch._subclasses.fake_tensor.FakeTensorMode", purpose)
    return fake_mode, find_part("torch.distributed._tools.mem_tracker.MemTracker", purpose)


def storage_key(tensor: Tensor) -> int:
    """What tensors that share a storage have in common, while it lives (`UntypedStorage._cdata`)."""
    return tensor.untyped_storage()._cdata


def key_of(storage: UntypedStorage) -> int:
    """The same of a storage."""
    return storage._cdata


def node_number(node: Any) -> int:
    """Number of an autograd node: they count up in the order in which nodes are made (`Node._sequence_nr`)."""
    return node._sequence_nr()


def is_view(tensor: Tensor) -> bool:
    """Whether autograd knows the tensor as a view of another (`Tensor._is_view`)."""
    return tensor._is_view()


def schema_of(operator: Any) -> Any:
    """Schema of an operator overload, None of anything else (`OpOverload._schema`): what it changes and aliases."""
    return getattr(operator, "_schema", None)


def apply_to_tensors(module: nn.Module, function: Callable[[Tensor], Tensor]) -> nn.Module:
    """Replace every parameter and buffer by what a function makes of it (`Module._apply`, as `Module.to` does)."""
    return module._apply(function)


def replacing_run_backward(replacement: Callable[..., Any]) -> AbstractContextManager[Any]:
    """Let `Tensor.backward` and `torch.autograd.grad` call `replacement` (`torch.autograd._engine_run_backward`)."""
    return mock.patch("torch.autograd._engine_run_backward", replacement)


def foreach_devices(device_types: list[str]) -> AbstractContextManager[Any]:
    """Let optimizers choose their foreach form on these devices (`torch/optim/optimizer.py`)."""
    return mock.patch("torch.optim.optimizer._get_foreach_kernels_supported_devices", return_value=device_types)


def replacing_scaler(step: Callable[..., Any], update: Callable[..., None]) -> AbstractContextManager[Any]:
    """Let `GradScaler` step and update its scale by other functions (`GradScaler._maybe_opt_step`, `update`)."""
    return mock.patch.multiple(GradScaler, _maybe_opt_step=step, update=update)


def forget_unscaled(scaler: GradScaler) -> None:
    """Let a scaler scale its optimizers' gradients anew (`GradScaler._per_optimizer_states`)."""
    scaler._per_optimizer_states.clear()
