"""What storages are for: labels from the modules and optimizers that a program makes and runs."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from drystep.torch_private import inside_functorch, is_functorch_tensor, storage_key
from drystep.trace.made_modules import MadeModules
from drystep.trace.module_paths import OUTSIDE, ModulePaths
from drystep.trace.trace import Allocation, Category, Trace

Live = Mapping[int, tuple[int | None, Any]]
"""Address of each storage that is alive -> its allocation, None in host memory, and a guard."""


class Labels:
    """Corrects the categories of a trace's allocations, and notes what runs, while it is `watching`.

    `buckets` are tensors of gradients that are exchanged.
    """

    def __init__(self, trace: Trace, live: Live, paths: ModulePaths, buckets: Callable[[], Iterable[Tensor]]) -> None:
        self._trace, self._live, self._paths, self._buckets = trace, live, paths, buckets
        self._modules: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._made = MadeModules()
        self._copies: list[tuple[int, int]] = []  # while building: allocation of a tensor, and of a copy of it
        self.optimizing = False
        """Whether an optimizer steps now."""
        self.model_called = False
        """Whether a module has run in this iteration."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Learn what storages are for until the context ends."""
        handles = (
            nn.modules.module.register_module_forward_pre_hook(self._before_module),
            register_optimizer_step_pre_hook(self._before_optimizer),
            register_optimizer_step_post_hook(self._after_optimizer),
        )
        try:
            with self._made.watching():
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _label(self, tensor: Tensor | None, category: Category, module: str = OUTSIDE) -> None:
        allocation = self._allocation_of(tensor)
        if allocation is not None:
            allocation.category = category
            allocation.module = allocation.module or module  # a shared parameter belongs to its first module

    def note_copy(self, tensor: Tensor, copy: Tensor) -> None:
        """Note that a tensor was copied while the step was built."""
        original, copied = self._index_of(tensor), self._index_of(copy)
        if original is not None and copied is not None:
            self._copies.append((original, copied))

    def label_weights(self) -> None:
        """Label what belongs to new modules, which need not ever run, and what was copied from weights."""
        for module in self._made.take():
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                self._label(tensor, "parameters")
        for original, copy in self._copies:
            if self._trace.allocations[original].category == "parameters":
                self._trace.allocations[copy].category = "parameters"
        self._copies.clear()

    def _index_of(self, tensor: Tensor) -> int | None:
        while is_functorch_tensor(tensor):
            tensor = inside_functorch(tensor)
        return self._live.get(storage_key(tensor), (None, None))[0]

    def _allocation_of(self, tensor: object) -> Allocation | None:
        index = self._index_of(tensor) if isinstance(tensor, Tensor) else None
        return None if index is None else self._trace.allocations[index]

    def _owner(self, parameter: Tensor) -> str:
        """Path of the module that a parameter belongs to."""
        allocation = self._allocation_of(parameter)
        return OUTSIDE if allocation is None else allocation.module

    def _before_module(self, module: nn.Module, _: object) -> None:
        self.model_called = True
        if module in self._modules:
            return
        self._modules.update(module.modules())
        for part in module.modules():
            for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
                self._label(tensor, "parameters", self._paths.path_of(part))

    def _before_optimizer(self, optimizer: Optimizer, *_: object) -> None:
        self.optimizing = True
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                self._label(parameter, "parameters")
                self._label(parameter.grad, "gradients", self._owner(parameter))
        for bucket in (*getattr(optimizer, "gradient_buckets", ()), *self._buckets()):
            self._label(bucket, "gradients")

    def _after_optimizer(self, optimizer: Optimizer, *_: object) -> None:
        self.optimizing = False
        for parameter, state in optimizer.state.items():
            owner = self._owner(parameter)
            for value in state.values():
                self._label(value, "optimizer_state", owner)
