"""The GPU by its name: `"cuda"` in a program means the device on which the step is simulated."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor

from drystep.cuda.api.calls import Handler, Handlers
from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.cuda.api.redirection import copy_of, redirected
from drystep.errors import SimulationError
from drystep.torch_private import device_constructors
from drystep.torch_replacements import device_context

FACTORIES = {
    *device_constructors(),
    torch.empty_like, torch.zeros_like, torch.ones_like, torch.full_like, torch.rand_like, torch.randn_like,
    torch.randint_like, Tensor.new_empty, Tensor.new_empty_strided, Tensor.new_zeros, Tensor.new_ones,
    Tensor.new_full, Tensor.new_tensor,
}  # fmt: skip
"""Functions that make a tensor on the device of a keyword argument."""


def simulated(name: Any, device: torch.device) -> Any:
    """The simulated device for a name of the GPU, and everything else as it is.

    Names are "cuda", "cuda:0", 0 and the like. Raises `SimulationError` for another GPU than the first.
    """
    if isinstance(name, str) and name.startswith("cuda"):
        name = torch.device(name)
    if isinstance(name, torch.device) and name.type == "cuda":
        name = name.index or 0
    if type(name) is not int:
        return name
    if name > 0:
        raise SimulationError(f"one GPU is simulated, and this asks for cuda:{name}: use the first alone")
    return device


def device_handlers(device: torch.device, others: Handlers) -> dict[Any, Handler]:
    """Handlers of the functions that take a device by name or tell of one, and further handlers, which see no names.

    What one of `others` handles is handed on to it once the name of the GPU is replaced.
    """

    def onward(func: Any) -> Callable[..., Any]:
        handler = others.get(func)
        return func if handler is None else lambda *args, **kwargs: handler(func, args, kwargs)

    def make(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make a tensor; nothing is pinned, because host memory is not simulated."""
        if "device" in kwargs:
            kwargs = {**kwargs, "device": simulated(kwargs["device"], device)}
        if kwargs.get("pin_memory"):
            kwargs = {**kwargs, "pin_memory": False}
        return onward(func)(*args, **kwargs)

    def move(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if len(args) > 1:
            args = (args[0], simulated(args[1], device), *args[2:])
        return make(func, args, kwargs)

    def to_cuda(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        by_name: dict[str, Any] = dict(zip(("device", "non_blocking", "memory_format"), args[1:], strict=False))
        by_name |= kwargs
        simulated(by_name.pop("device", None), device)  # refuses a second GPU
        return onward(Tensor.to)(args[0], device, **by_name)

    def is_there(tensor: Any) -> bool:
        return bool(tensor.device.type == device.type)

    def is_cuda(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return is_there(args[0]) or onward(func)(*args, **kwargs)

    def get_device(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return 0 if is_there(args[0]) else onward(func)(*args, **kwargs)

    def pin_memory(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_there(args[0]) and device.type != "cpu":
            raise RuntimeError(f"cannot pin '{args[0].type()}': only dense CPU tensors can be pinned")
        return args[0]

    of_tensor: Any = Tensor
    return {
        **others,
        **dict.fromkeys(FACTORIES, make),
        Tensor.to: move,
        Tensor.cuda: to_cuda,
        of_tensor.is_cuda.__get__: is_cuda,
        Tensor.get_device: get_device,
        torch.get_device: get_device,
        Tensor.pin_memory: pin_memory,
    }


@contextmanager
def default_devices(device: torch.device) -> Iterator[None]:
    """Make `torch.set_default_device("cuda")` and `with torch.device("cuda")` mean the simulated device.

    What the program sets is undone when the context ends.
    """

    def simulating() -> AbstractContextManager[None]:
        original = device_context().__init__
        begin: Callable[..., None] = copy_of(original)

        def of_simulated(self: Any, name: Any) -> None:
            begin(self, simulated(name, device))

        return redirected({original: of_simulated})

    before = torch.get_default_device()
    with where_parts_exist(simulating, (torch, "set_default_device")):
        try:
            yield
        finally:
            if torch.get_default_device() != before:
                torch.set_default_device(None if before.type == "cpu" else before)
