"""Answers to what an operator asks of values: from known values, from what the user stated, or by an assumption."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drystep.program.places import Place, running_place
from drystep.values.assumptions import Kind
from drystep.values.known import ASSUMED, DRAWN, KNOWN, Origin
from drystep.values.oracle_lookup import flattened
from drystep.values.oracles import as_count, as_item
from drystep.values.reads import Choice, Reads
from drystep.values.sides import Question, answers_for_rows, answers_for_value


class Rows(NamedTuple):
    """How many rows an operator returns, and its result on the host if that is known."""

    total: int
    host: Any
    origin: Origin


class Ask:
    """One call of an operator that depends on values."""

    def __init__(self, reads: Reads, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._reads, self._func = reads, func
        self._args, self._kwargs = args, kwargs
        self._place: Place | None = None

    def rows(
        self, about: Tensor, limit: int | None, count_of: Callable[[Any], int], fallback: int | None = None
    ) -> Rows:
        """How many rows the operator returns, of at most `limit`.

        `count_of` counts them in the operator's result on the host. `fallback` is what is assumed without a limit.
        """
        host = self._reads.followed.on_host(self._func, self._args, self._kwargs)
        asked = f"rows of {self._func}" + ("" if limit is None else f", of at most {limit}")
        if host is not None and host[1] == KNOWN:
            self._pass()
            return self._known_rows(asked, limit, host, count_of)
        recalled = self._reads.known.recall(about, str(self._func))
        if recalled is not None:
            self._pass()
            return Rows(recalled, None, ASSUMED)
        stated = self._reads.oracles.rows(self._func, self.place)
        if stated is not None:
            count = as_count(stated.name, stated.answer, limit)
            self._reads.note(self._func, self.place, asked, count, "stated")
        elif host is not None:
            return self._known_rows(asked, limit, host, count_of)
        else:
            count = self._assume(asked, answers_for_rows(limit if limit is not None else fallback or 0), True)
        self._reads.known.remember(about, str(self._func), count)
        return Rows(count, None, ASSUMED)

    def _known_rows(
        self, asked: str, limit: int | None, host: tuple[Any, Origin], count_of: Callable[[Any], int]
    ) -> Rows:
        result, origin = host
        count = count_of(result)
        self._reads.note(self._func, self.place, asked, count, *_kind(origin), most_rows=limit)
        return Rows(count, result, origin)

    def value(self, tensor: Tensor, meaning: str) -> float | int | bool | complex:
        """The number that the host reads from a tensor of one element."""
        known, origin = self._reads.known.of(tensor), self._reads.known.origin(tensor)
        if known is not None and origin == KNOWN:
            self._pass()
            return self._noted(meaning, known.reshape(()).item(), origin)
        recalled = self._reads.known.recall(tensor, "value")
        if recalled is not None:
            self._pass()
            return recalled
        stated = self._reads.oracles.values(self._func, self.place, 1)
        if stated is not None:
            number = next(flattened(stated.answer))
            answer = as_item(number, tensor.dtype)
            self._reads.note(self._func, self.place, meaning, answer, "stated")
        elif known is not None and origin is not None:
            return self._noted(meaning, known.reshape(()).item(), origin)
        else:
            number = self._assume(meaning, answers_for_value(tensor.dtype == torch.bool), False)
            answer = as_item(number, tensor.dtype)
        self._reads.known.remember(tensor, "value", answer)
        return answer

    def values(self, tensor: Tensor, dtype: torch.dtype, meaning: str) -> Tensor:
        """What the host reads from a tensor of any shape, as a tensor on the CPU."""
        known, origin = self._reads.known.of(tensor), self._reads.known.origin(tensor)
        asked = f"{meaning} of {tuple(tensor.shape)} values"
        if known is not None and origin == KNOWN:
            self._pass()
            self._reads.note(self._func, self.place, asked, _summary(known), "known")
            return known.to(dtype, copy=True)
        stated = self._reads.oracles.values(self._func, self.place, tensor.numel())
        if stated is not None:
            self._reads.note(self._func, self.place, asked, stated.answer, "stated")
            numbers = [as_item(number, dtype) for number in flattened(stated.answer)]
            if len(numbers) == 1:
                return torch.full(tensor.shape, numbers[0], dtype=dtype)
            return torch.tensor(numbers, dtype=dtype).reshape(tensor.shape)
        if known is not None and origin is not None:
            self._reads.note(self._func, self.place, asked, _summary(known), *_kind(origin))
            return known.to(dtype, copy=True)
        number = self._assume(asked, answers_for_value(tensor.dtype == torch.bool), False)
        return torch.full(tensor.shape, as_item(number, dtype), dtype=dtype)

    def truth(self, meaning: str) -> bool:
        """Whether a comparison of whole tensors holds."""
        host = self._reads.followed.on_host(self._func, self._args, self._kwargs)
        if host is not None and host[1] == KNOWN:
            self._pass()
            return bool(self._noted(meaning, host[0], host[1]))
        stated = self._reads.oracles.values(self._func, self.place, 1)
        if stated is not None:
            answer = bool(next(flattened(stated.answer)))
            self._reads.note(self._func, self.place, meaning, answer, "stated")
            return answer
        if host is not None:
            return bool(self._noted(meaning, host[0], host[1]))
        return bool(self._assume(meaning, answers_for_value(True), False))

    def found(self, tensor: Tensor, value: Tensor | None, rows: Rows) -> None:
        """Keep the values of a result, if they are known."""
        if value is not None and value.shape == tensor.shape and value.dtype == tensor.dtype:
            self._reads.known.put(tensor, value, rows.origin)

    def known(self, tensor: Tensor) -> Tensor | None:
        """The values of a tensor on the host, where they follow from data of the program."""
        return self._reads.known.of(tensor) if self._reads.known.origin(tensor) == KNOWN else None

    def keeps(self, size_bytes: int) -> bool:
        """Whether values of so many bytes are kept."""
        return self._reads.known.fits(size_bytes)

    def suppose(self, tensor: Tensor, value: Callable[[], Tensor]) -> None:
        """Let an unknown tensor have the values that an answer about it implies, if they are small enough."""
        known = self._reads.known
        size_bytes = tensor.untyped_storage().nbytes()
        covers = tensor.numel() * tensor.element_size() == size_bytes
        if known.origin(tensor) is None and covers and known.fits(size_bytes):
            known.put(tensor, value(), ASSUMED)

    @property
    def place(self) -> Place:
        """Where the program asks."""
        if self._place is None:
            self._place = running_place()
        return self._place

    def _pass(self) -> None:
        """Tell the statements that this question is answered otherwise."""
        self._reads.oracles.passes(self._func, lambda: self.place)

    def _noted(self, asked: str, answer: Any, origin: Origin) -> Any:
        self._reads.note(self._func, self.place, asked, answer, *_kind(origin))
        return answer

    def _assume(self, asked: str, answers: tuple[Any, ...], about_rows: bool) -> Any:
        question: Question = (*self.place.key, str(self._func))
        answer = self._reads.sides.pick(question, answers, about_rows)
        self._reads.assumed.pop(question, None)
        self._reads.assumed[question] = Choice(asked, answers)
        most_rows = answers[0] if about_rows else None
        self._reads.note(self._func, self.place, asked, answer, "assumed", most_rows=most_rows)
        return answer


def _kind(origin: Origin) -> tuple[Kind, str]:
    """How an answer that follows from values of this origin is listed, and the note beside it."""
    if origin == ASSUMED:
        return "assumed", "it follows from another assumption"
    return "known", "from random numbers that were drawn" if origin == DRAWN else ""


def _summary(value: Tensor) -> Any:
    """Values as a list shows them."""
    return value.tolist() if value.numel() <= 16 else f"{value.numel()} values"
