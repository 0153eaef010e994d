"""The dotted path of the module that an operator belongs to, in the forward pass and in the backward pass."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import nn

from drystep.torch_private import current_autograd_node, next_node_number, node_number

OUTSIDE = ""
"""Path of operators outside all modules: losses and metrics as plain functions, the optimizer, the data."""


class ModulePaths:
    """Follows the modules that run while it is `watching`. Keeps neither modules nor graphs alive.

    Paths are those of `named_modules()` of the outermost module that was called; the path of that module itself is its
    class name. A second outermost module (a criterion, a discriminator) has its class name in front of the paths of its
    submodules, so that two modules never share a path.

    A backward operator belongs to the module whose forward created its autograd node. Nodes are numbered in the order
    of their creation, so it is enough to remember from which number on which module ran.
    """

    def __init__(self) -> None:
        self._paths: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
        self.running = OUTSIDE
        """Path of the innermost running module, or `OUTSIDE`. It is a plain field because every operator reads it."""
        self._running: list[tuple[int, str]] = []  # id and path, outermost first
        self._first_nodes: list[int] = []
        self._node_paths: list[str] = []  # path of the nodes from the number at the same place in `_first_nodes` on

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow every module of the process until the context ends."""
        handles = (
            nn.modules.module.register_module_forward_pre_hook(self._enter),
            # Also after an exception, because activation checkpointing ends its recomputation with one.
            nn.modules.module.register_module_forward_hook(self._leave, always_call=True),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def restart(self) -> None:
        """Forget what an interrupted step left behind. Call this between steps."""
        self._running.clear()
        self._mark()

    def differentiated(self) -> str:
        """Path of the module that the current operator of a backward pass belongs to."""
        if self._running:  # recomputation: a module that runs in backward
            return self.running
        # Nodes that accumulate gradients have a number beyond all others, because no module created them.
        node = current_autograd_node()
        if node is None or not self._first_nodes:
            return OUTSIDE
        number = node_number(node)
        if number >= next_node_number():
            return OUTSIDE
        at = bisect_right(self._first_nodes, number) - 1
        return self._node_paths[at] if at >= 0 else OUTSIDE

    def path_of(self, module: nn.Module) -> str:
        """Path of a module, if it or its parent has been called; otherwise `OUTSIDE`."""
        return self._paths.get(module, OUTSIDE)

    def _enter(self, module: nn.Module, _: object) -> None:
        path = self._paths.get(module)
        if path is None:
            path = self._name(module)
        self._running.append((id(module), path))
        self._mark()

    def _leave(self, module: nn.Module, *_: object) -> None:
        # Modules above it were entered but never left. The module itself is missing if another of its pre-hooks failed.
        key = id(module)
        for depth in range(len(self._running) - 1, -1, -1):
            if self._running[depth][0] == key:
                del self._running[depth:]
                break
        self._mark()

    def _mark(self) -> None:
        """Note that autograd nodes created from now on belong to the running module."""
        path = self.running = self._running[-1][1] if self._running else OUTSIDE
        number = next_node_number()
        if self._first_nodes and self._first_nodes[-1] == number:
            self._node_paths[-1] = path
        elif not self._node_paths or self._node_paths[-1] != path:
            self._first_nodes.append(number)
            self._node_paths.append(path)

    def _name(self, module: nn.Module) -> str:
        """Assign paths to a module that has none and to its submodules, and return the path of the module."""
        own = type(module).__name__
        if self._running:  # created during forward: a replica, or a layer that was added later
            own = f"{self._running[-1][1]}.{own}"
            prefix = f"{own}."
        else:
            first = not self._paths
            own = own if first else self._unused(own)
            prefix = "" if first else f"{own}."
        for name, submodule in module.named_modules():
            self._paths[submodule] = f"{prefix}{name}" if name else own
        return own

    def _unused(self, name: str) -> str:
        taken = {path.partition(".")[0] for path in self._paths.values()}
        number = 2
        candidate = name
        while candidate in taken:
            candidate, number = f"{name}-{number}", number + 1
        return candidate
