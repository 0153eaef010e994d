"""Functions of PyTorch that no operator shows with its values: tensors made of Python data, and obvious conditions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drystep.program.source_lines import pytorch_calls
from drystep.values.known import ASSUMED, KNOWN, KnownValues

Handler = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""(function, arguments, keyword arguments) -> what the call returns."""
BLOCK_BYTES = 512
"""Smallest block of PyTorch's allocator."""
OBVIOUS = {"isfinite": True, "isreal": True, "isnan": False, "isinf": False, "isposinf": False, "isneginf": False}
"""Functions whose results a program expects to be the same everywhere; most are made of several operators."""


def handlers(device: torch.device, known: KnownValues | None = None) -> dict[Any, Handler]:
    """Handlers of calls that make tensors of Python data on a device, and, with `known`, of obvious conditions.

    PyTorch makes such a tensor in host memory and copies it to the device, where no operator is seen. On meta it drops
    the data. So the tensor is made on the CPU and moved by an operator, unless it is as small as the numbers that no
    recording counts (`PYTHON_VALUES` in `drystep/trace/recorder.py`).
    """
    found: dict[Any, Handler] = {
        torch.tensor: _made(device, known),
        torch.as_tensor: _made(device, known),
        torch.asarray: _made(device, known),
        torch.Tensor.new_tensor: _made_like(device, known),
    }
    if known is not None:
        found[torch.Tensor.__format__] = _formatted
        for name, value in OBVIOUS.items():
            for function in (getattr(torch, name, None), getattr(Tensor, name, None)):
                if function is not None:
                    found[function] = _obvious(known, value)
    return found


def _made(device: torch.device, known: KnownValues | None) -> Handler:
    def make(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked, data = kwargs.get("device"), args[0] if args else kwargs.get("data", kwargs.get("obj"))
        if isinstance(data, Tensor):
            return func(*args, **kwargs)
        plain = _without_tensors(data)
        args, kwargs = (
            (plain, *args[1:]),
            {name: value for name, value in kwargs.items() if name not in ("data", "obj")},
        )
        place = torch.get_default_device() if asked is None else torch.device(asked)
        if place.type not in (device.type, "cuda"):
            return func(*args, **kwargs)
        on_host = asked is None or (isinstance(asked, str) and pytorch_calls())  # optimizers say "cpu" for constants
        if device.type == "cpu" and on_host:
            return func(*args, **kwargs)
        return _moved(func, args, kwargs, device, known)

    return make


def _made_like(device: torch.device, known: KnownValues | None) -> Handler:
    def make(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        like, data, *rest = args if len(args) > 1 else (args[0], kwargs.pop("data"))
        place = torch.device(kwargs.get("device") or like.device)
        if isinstance(data, Tensor) or place.type not in (device.type, "cuda"):
            return func(like, data, *rest, **kwargs)
        kwargs = {"dtype": like.dtype, **kwargs}
        return _moved(torch.tensor, (_without_tensors(data), *rest), kwargs, device, known)

    return make


def _moved(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], device: torch.device, known: KnownValues | None
) -> Tensor:
    """Make a tensor on the CPU and copy it to the device; a tensor that takes one block at most is not counted."""
    requires_grad = kwargs.pop("requires_grad", False)
    made = func(*args, **{**kwargs, "device": "cpu"})
    if made.numel() * made.element_size() > BLOCK_BYTES:
        made = made.to(device, copy=True)
    else:
        value = made
        if device.type == "meta":
            made = func(*args, **{**kwargs, "device": device})
        made = torch.ops.aten.lift.default(made)  # shows a recording that it is small data
        if known is not None:
            known.put(made, value, KNOWN)
    return made.requires_grad_() if requires_grad else made


def _without_tensors(data: Any) -> Any:
    """Data with the values of the tensors in it."""
    if isinstance(data, list | tuple):
        return [_without_tensors(item) for item in data]
    if isinstance(data, Tensor) and data.is_meta:
        return data.tolist()
    return data


def _formatted(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Text of a number on the device, as of one on the host."""
    tensor, *rest = args
    return tensor.item().__format__(*rest) if tensor.is_meta and tensor.dim() == 0 else func(*args, **kwargs)


def _obvious(known: KnownValues, value: bool) -> Handler:
    def ask(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and result.is_meta and known.origin(result) is None:
            known.put_uniform(result, value, ASSUMED)
        return result

    return ask
