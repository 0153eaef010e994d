"""Operators on meta tensors: those that ask for values are answered, and failures name the operator."""

from typing import Any

import torch
from torch import Tensor

from drystep.cuda.layouts import as_on_cuda
from drystep.cuda.meta_cache import MetaCache
from drystep.cuda.missing.kernels import KERNELS, READING
from drystep.errors import SimulationError
from drystep.values.answers import ANSWERS
from drystep.values.ask import Ask
from drystep.values.python_data import Handler, handlers
from drystep.values.reads import Reads

aten = torch.ops.aten
TAKES_BOTH = {
    aten._to_copy.default, aten.copy_.default, aten._foreach_copy_.default, aten._pack_padded_sequence.default,
    aten._ctc_loss.default, aten._ctc_loss.Tensor, aten._ctc_loss_backward.default, aten._ctc_loss_backward.Tensor,
    aten.index.Tensor, aten._unsafe_index.Tensor,
    aten.index_put.default, aten.index_put_.default, aten._unsafe_index_put.default, aten._index_put_impl_.default,
}  # fmt: skip
"""Operators that accept tensors on the CPU together with tensors on a GPU."""


class MetaOperators:
    """Runs operators with meta tensors among their arguments, and explains why one cannot run on them.

    `reads` answers what depends on values.
    """

    def __init__(self, reads: Reads | None = None) -> None:
        self.reads = reads or Reads()
        self._call = MetaCache(_checked)

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Same as `func(*args, **kwargs)`, as far as memory goes.

        Raises `SimulationError` where the operator cannot run on meta, or a stated answer does not suit it.
        """
        answer = ANSWERS.get(func) or READING.get(func)
        if answer is not None and any(isinstance(argument, Tensor) and argument.is_meta for argument in args[:2]):
            result = answer(Ask(self.reads, func, args, kwargs), *args, **kwargs)
            if result is not NotImplemented:
                return result
        try:
            result = self._call(func, args, kwargs)
        except (RuntimeError, NotImplementedError) as error:
            raise SimulationError(_explain(func, error)) from error
        result = as_on_cuda(func, args, result)
        self.reads.followed(func, args, kwargs, result)
        return result

    def begin_step(self) -> None:
        """Begin to count the questions of another step."""
        self.reads.begin_step()

    def handlers(self, device: torch.device) -> dict[Any, Handler]:
        """Handlers of calls that show values without an operator."""
        return handlers(device, self.reads.known)


def _checked(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operator, and refuse one that mixes devices. What the cache answers has none but meta tensors."""
    if func.namespace == "aten" and func not in TAKES_BOTH and _mixes_devices(args):
        raise SimulationError(
            f"{func} gets tensors on the CPU beside those on the device: "
            "move them to the device that build_step is given"
        )
    result = KERNELS.get(func, func)(*args, **kwargs)
    _check_device(func, result)
    return result


def _mixes_devices(args: tuple[Any, ...]) -> bool:
    """Whether there are CPU tensors among meta tensors. Zero-dimensional tensors may stay on the CPU."""
    meta = host = False
    for argument in args:
        for tensor in argument if isinstance(argument, list | tuple) else (argument,):
            if isinstance(tensor, Tensor):
                meta = meta or tensor.is_meta
                host = host or (tensor.is_cpu and tensor.dim() > 0)
    return meta and host


def _check_device(func: Any, result: Any) -> None:
    for tensor in result if isinstance(result, tuple | list) else (result,):
        if isinstance(tensor, Tensor) and not (tensor.is_meta or tensor.is_cpu):
            raise SimulationError(
                f"{func} makes a tensor on {tensor.device}: use the device that build_step is given instead"
            )


def _explain(func: Any, error: Exception) -> str:
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, NotImplementedError) or "meta" in said.lower() or "fake impl" in said:
        return (
            f"{func} has no kernel for the meta device, on which steps are simulated: before the simulation, register "
            "one that returns empty tensors of the right sizes, such as "
            f'torch.library.register_fake("{func.name()}", lambda x: torch.empty_like(x)); what autocast, work and '
            f"workspaces need to know of it, state with drystep.register_operator ({said})"
        )
    return f"{func} failed: {said}"
