"""What follows from known values: operators whose inputs are all known run on the host beside the meta device."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from drystep.torch_private import below_autograd, schema_of
from drystep.values.known import ASSUMED, DRAWN, KNOWN, KnownValues, Origin
from drystep.values.operator_plans import (
    FILLED,
    FILLING,
    MOST_DRAWN,
    MOST_DRAWN_IN_PLACE,
    MOST_OPERANDS,
    NOWHERE_TRUE,
    ON_EQUAL_VALUES,
    SHAPED,
    WRITTEN_SILENTLY,
    Plan,
    is_written,
    plan_of,
    written_arguments,
)

aten = torch.ops.aten


class Followed:
    """Keeps known values up to date while operators run."""

    def __init__(self, known: KnownValues) -> None:
        self.known = known
        self._plans: dict[Any, Plan] = {}
        self._shaped: set[Any] = set()  # operators that read the shape of their first argument alone
        self._random_state = torch.Generator().manual_seed(0).get_state()

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Learn the values of an operator's results, and of what it wrote to, after it ran on meta."""
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = plan_of(func)
            if plan != "nothing" and schema_of(func).name.split("::")[-1] in SHAPED:
                self._shaped.add(func)
        if plan == "nothing":
            return
        origin = self._origin(args[1:] if func in self._shaped else args, kwargs)
        if plan == "compute" and origin is None:
            if func in NOWHERE_TRUE:
                self.known.put_uniform(result, False, ASSUMED)
            elif func in WRITTEN_SILENTLY:
                self._forget(args[position] for position in WRITTEN_SILENTLY[func])
            return
        if plan == "blank":
            for tensor in _tensors((result,)):
                self.known.put_blank(tensor)
        elif plan in ("write", "random") and schema_of(func).is_mutable:
            self._write(func, args, kwargs, origin, plan == "random")
        elif plan == "forget":
            self._forget(_tensors((*args, *kwargs.values())))
        elif origin is not None:
            self._compute(func, args, kwargs, result, origin, plan == "random")

    def on_host(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Origin] | None:
        """Run an operator on the values of its arguments: its result on the CPU, and where that comes from.

        None if a value is unknown, the arguments are large, or the operator raises an error.
        """
        origin = self._origin(args, kwargs)
        if origin is None:
            return None
        result = self._run(func, args, kwargs)
        return None if result is None else (result, origin)

    def _origin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Origin | None:
        """Where the values of all tensors among the arguments come from; None if some are unknown."""
        origin: Origin = KNOWN
        origin_of = self.known.origin
        for argument in (*args, *kwargs.values()) if kwargs else args:
            if isinstance(argument, Tensor):
                of_tensor = origin_of(argument)
                if of_tensor is None:
                    return None
                origin = max(origin, of_tensor)
            elif isinstance(argument, list | tuple):
                for item in argument:
                    if isinstance(item, Tensor):
                        of_tensor = origin_of(item)
                        if of_tensor is None:
                            return None
                        origin = max(origin, of_tensor)
        return origin

    def _compute(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, origin: Origin, random: bool
    ) -> None:
        """Run a functional operator on the host, and keep what it returns."""
        tensors = list(_tensors((result,)))
        size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        if not tensors or not self.known.fits(size_bytes):
            return
        name = schema_of(func).name.split("::")[-1]
        if name in FILLED and tensors[0].layout is torch.strided:
            value = FILLED[name]
            self.known.put_uniform(tensors[0], args[-1] if value is None else value, origin)
            return
        if isinstance(args[0] if args else None, nn.Parameter) and func is aten._to_copy.default:
            return  # a module moves to the device; it is to be trained, so nothing reads its parameters
        if random and self._are_more(tensors, MOST_DRAWN):
            return
        computed = self._run(func, args, kwargs, random)
        if computed is None and func in ON_EQUAL_VALUES and isinstance(result, Tensor):
            self._compute_of_equal(func, args[0], result)
        elif computed is not None:
            self.keep(result, computed, max(origin, DRAWN) if random else origin)

    def _compute_of_equal(self, func: Any, tensor: Tensor, result: Tensor) -> None:
        """Find the result for a tensor of equal values that is too large to compute with."""
        value = self.known.uniform(tensor)
        if value is not None:
            overload = {aten.all.dim: aten.all.default, aten.any.dim: aten.any.default}.get(func, func)
            self.known.put_uniform(result, overload(value).item(), ASSUMED)

    def keep(self, result: Any, computed: Any, origin: Origin) -> None:
        """Keep computed values for meta results where their layouts agree."""
        for tensor, value in zip(_tensors((result,)), _tensors((computed,)), strict=False):
            if tensor.is_meta and tensor.shape == value.shape and tensor.dtype == value.dtype:
                self.known.put(tensor, value, origin)

    def _write(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], origin: Origin | None, random: bool
    ) -> None:
        """Run an operator in place on the host, or forget what it writes to."""
        written = list(_tensors(written_arguments(func, args, kwargs)))
        if origin is None:
            origin = self._origin_of_writing(func, args, kwargs, written, random)
        parameters = random and any(isinstance(tensor, nn.Parameter) for tensor in written)
        resized = any(argument.is_out for argument in schema_of(func).arguments)  # it may be
        if origin is None or parameters or resized or (random and self._are_more(written, MOST_DRAWN_IN_PLACE)):
            self._forget(written)
            return
        for tensor in written:
            self.known.begin_writing(tensor)
        ran = all(map(self.known.writable, written)) and self._run(func, args, kwargs, random) is not None
        if not ran:
            self._forget(written)
        for tensor in written:
            self.known.taint(tensor, max(origin, DRAWN) if random else origin)
            self.known.wrote_to(tensor)

    def _origin_of_writing(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], written: list[Tensor], random: bool
    ) -> Origin | None:
        """Where values come from that are written to blank memory, or to unknown values that are overwritten."""
        blank = [tensor for tensor in written if self.known.is_blank(tensor)]
        if len(written) == 1 and not blank and (func in FILLING or random) and _covers(written[0]):
            self.known.put_blank(written[0])
            blank = [tensor for tensor in written if self.known.is_blank(tensor)]
        if len(blank) != len(written) or not blank:
            return None
        of_schema = schema_of(func).arguments
        others = [value for value, argument in zip(args, of_schema, strict=False) if not is_written(argument)]
        return self._origin(tuple(others), kwargs)

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], random: bool = False) -> Any:
        """The operator's result on the host; None if it is not tried or fails."""
        if self._are_more(list(_tensors((*args, *kwargs.values()))), MOST_OPERANDS):
            return None
        if func in self._shaped:
            args = (torch.zeros((), dtype=args[0].dtype).expand(args[0].shape), *args[1:])
        unknown = False

        def on_host(value: Any) -> Any:
            nonlocal unknown
            if isinstance(value, torch.device):
                return torch.device("cpu")
            if not isinstance(value, Tensor) or not value.is_meta:
                return value
            found = self.known.of(value)
            unknown = unknown or found is None
            return found

        def all_on_host(value: Any) -> Any:
            return [on_host(item) for item in value] if isinstance(value, list | tuple) else on_host(value)

        host_args = [all_on_host(value) for value in args]
        host_kwargs = {name: all_on_host(value) for name, value in kwargs.items()}
        if unknown:
            return None
        try:
            with below_autograd(), self._own_random_numbers() if random else nullcontext():
                result = func(*host_args, **host_kwargs)
        except Exception:  # the program's own error, if it is one, shows on the device
            return None
        return True if result is None else result

    def _are_more(self, tensors: list[Tensor], most: int) -> bool:
        """Whether tensors have more elements than that, unless there is no limit."""
        return self.known.limit_bytes is not None and sum(tensor.numel() for tensor in tensors) > most

    @contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Draw from a sequence of its own, so that the program's random numbers on the host stay what they are."""
        before = torch.get_rng_state()
        torch.set_rng_state(self._random_state)
        try:
            yield
        finally:
            self._random_state = torch.get_rng_state()
            torch.set_rng_state(before)

    def _forget(self, tensors: Iterable[Any]) -> None:
        for tensor in tensors:
            if isinstance(tensor, Tensor) and tensor.is_meta and tensor.layout is torch.strided:
                self.known.forget(tensor)


def _covers(tensor: Tensor) -> bool:
    """Whether a meta tensor is all of its storage."""
    return tensor.is_meta and tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among values and among lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, Tensor))
