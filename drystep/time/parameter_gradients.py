"""The gradients of parameters that a recorded step makes, and the exchange among ranks that waits for each of them."""

from bisect import bisect_right
from statistics import mean
from typing import NamedTuple

import torch

from drystep.bounds import require_whole
from drystep.gpus.peaks import Peaks
from drystep.time.gradient_exchange import MOST_RANKS, Exchange, Gradient, exchange
from drystep.trace.trace import Trace


class ParameterGradient(NamedTuple):
    """Storage of the gradient of a parameter, or of several that share it."""

    operator: int
    """Index of the last operator of backward that writes it or makes a view of it."""
    size_bytes: int
    dtype: torch.dtype | None


def parameter_gradients(trace: Trace) -> list[list[ParameterGradient]]:
    """For each step that counts, the gradients that its backward makes, in the order in which they are ready.

    They are those that an optimizer of PyTorch takes. The gradient of a parameter that is used several times is ready
    after the last sum. Where a step has several backward passes, that is in the last of them, as under `no_sync`.
    """
    return [_of_step(trace, begin, end) for begin, end in _operators_of_steps(trace)]


class Exchanges:
    """Exchanges of gradients, step by step, while a predictor walks through the operators of a trace."""

    def __init__(self, trace: Trace, ranks: int, peaks: Peaks, card: str) -> None:
        """Find what the ranks exchange; with one rank nothing is.

        Raises `ValueError` for an impossible count of ranks, and for a step without gradients.
        """
        require_whole("ranks", ranks, 1, MOST_RANKS)
        self._ranks, self._peaks, self._card = ranks, peaks, card
        self._gradients = _by_last_kernel(trace) if ranks > 1 else {}
        self._operators: list[int] = []
        self._ended_us: list[float] = []
        self._found: list[Exchange] = []

    def after(self, operator: int, ended_us: float) -> float:
        """Return when the card goes on after an operator's kernels have ended, which is said for each in order.

        That is later where backward is over and the last all-reduce is not. Raises `ValueError` for a card whose link
        is not known.
        """
        if not self._gradients:
            return ended_us
        self._operators.append(operator)
        self._ended_us.append(ended_us)
        if operator not in self._gradients:
            return ended_us
        ready = [
            Gradient(self._end_ms(each.operator), each.size_bytes, each.dtype) for each in self._gradients[operator]
        ]
        self._found.append(exchange(ready, ended_us / 1e3, self._ranks, self._peaks, self._card))
        return ended_us + 1e3 * self._found[-1].exposed_ms

    def _end_ms(self, operator: int) -> float:
        """When the last kernel up to an operator has ended; a view, for one, launches none."""
        return self._ended_us[bisect_right(self._operators, operator) - 1] / 1e3

    def mean(self) -> Exchange | None:
        """The mean over the steps that count; None where nothing was exchanged."""
        if not self._found:
            return None
        return Exchange(
            ranks=self._ranks,
            buckets=mean(each.buckets for each in self._found),
            size_bytes=mean(each.size_bytes for each in self._found),
            all_reduce_ms=mean(each.all_reduce_ms for each in self._found),
            exposed_ms=mean(each.exposed_ms for each in self._found),
        )


def _operators_of_steps(trace: Trace) -> list[tuple[int, int]]:
    """First operator of each step that counts, and the first one after the step."""
    begins = trace.first_operators[-trace.steady_steps :]
    return list(zip(begins, [*begins[1:], len(trace.operators)], strict=True))


def _of_step(trace: Trace, begin: int, end: int) -> list[ParameterGradient]:
    made = {
        index: allocation.operator
        for index, allocation in enumerate(trace.allocations)
        if begin <= allocation.operator < end and trace.operators[allocation.operator].phase == "backward"
    }
    made |= {index: operator for operator, index in trace.returned_again if begin <= operator < end}
    found = [
        ParameterGradient(operator, trace.allocations[index].requested_bytes, trace.allocations[index].dtype)
        for index, operator in made.items()
        if trace.allocations[index].category == "gradients"
    ]
    return sorted(found, key=lambda gradient: gradient.operator)


def _by_last_kernel(trace: Trace) -> dict[int, list[ParameterGradient]]:
    """Last operator of each step's backward that launches kernels -> the step's gradients."""
    in_backward = [operator for operator, _ in trace.work if trace.operators[operator].phase == "backward"]
    found = {}
    for begin, end in _operators_of_steps(trace):
        gradients = _of_step(trace, begin, end)
        if not gradients:
            raise ValueError(
                "the ranks have nothing to exchange: no optimizer of PyTorch takes gradients that the step makes"
            )
        found[max(operator for operator in in_backward if begin <= operator < end)] = gradients
    return found
