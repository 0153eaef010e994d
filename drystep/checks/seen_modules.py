"""The outermost modules that a step calls, and the names of their parameters."""

import weakref
from collections.abc import Iterator

from torch import Tensor, nn


class SeenModules:
    """Remembers the modules that nothing above them has called. Keeps neither them nor their parameters alive."""

    def __init__(self) -> None:
        self._known: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._outermost: list[weakref.ref[nn.Module]] = []

    def see(self, module: nn.Module) -> None:
        """Take note of a module that is called."""
        if module not in self._known:
            self._known.update(module.modules())
            self._outermost.append(weakref.ref(module))

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Names as in `named_parameters()`, of each parameter once.

        From the second module on, the name of its class is in front of them.
        """
        done: set[int] = set()
        for position, reference in enumerate(self._outermost):
            module = reference()
            if module is None:
                continue
            prefix = f"{type(module).__name__}." if position else ""
            for name, parameter in module.named_parameters():
                if id(parameter) not in done:
                    done.add(id(parameter))
                    yield prefix + name, parameter
