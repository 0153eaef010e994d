"""Replacement of PyTorch's functions and tensor methods above the operators, in one thread, however they were imported.

Some of what a program does never reaches an operator: `torch.tensor([1, 2], device="meta")` drops its data,
`x.tolist()` on the CPU reads memory, `x.cuda()` asks for a device that does not exist here.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch.overrides import TorchFunctionMode

from drystep.torch_replacements import replacing_run_backward, running_backward

Handler = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""(function, arguments, keyword arguments) -> what the call returns. Calls that a handler makes are not replaced."""
Handlers = Mapping[Any, Handler]
"""Function of PyTorch, such as `torch.tensor`, `torch.Tensor.cuda` or the getter `torch.Tensor.is_cuda.__get__` -> the
handler of its calls."""


class Calls(TorchFunctionMode):
    """Hands calls of PyTorch's functions to their handlers while it is `watching`.

    Functions that a function of PyTorch calls itself are not replaced, except in a backward pass: hooks, autograd
    functions and recomputed blocks are code of the program.
    """

    def __init__(self, handlers: Handlers) -> None:
        super().__init__()
        self._handlers = handlers
        self._handling = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        handler = self._handlers.get(func)
        before, self._handling = self._handling, True
        try:
            if handler is not None:
                return handler(func, args, kwargs or {})
            return func(*args, **(kwargs or {}))
        finally:
            self._handling = before

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Replace calls in this thread until the context ends."""
        original = running_backward()

        def backward(*args: Any, **kwargs: Any) -> Any:
            if not self._handling:  # `torch.autograd.backward` itself is no function that a mode sees
                return original(*args, **kwargs)
            self._handling = False
            try:
                with self:
                    return original(*args, **kwargs)
            finally:
                self._handling = True

        with replacing_run_backward(backward), self:
            yield
