"""Lookup of the oracle that answers a call of an operator, and the error where there is none."""

import sys
from collections.abc import Iterable
from typing import Any

from drystep.errors import SimulationError
from drystep.values.oracles import ITEM, ROWS, Oracles, as_count


class OracleLookup:
    """Answers operators from oracles."""

    def __init__(self, oracles: Oracles) -> None:
        self._oracles = oracles
        self._unused = set(oracles.by_name)

    @property
    def unused(self) -> list[str]:
        """Names of oracles that were never used."""
        return sorted(self._unused)

    def rows(self, func: Any, limit: int | None = None) -> int:
        """How many rows an operator returns, at most `limit`. Raises `SimulationError` if no oracle says so."""
        value = self._by_name(_names(func))
        if value is None:
            value = self._oracles.rows
        if value is None:
            raise SimulationError(
                f"{func} returns as many rows as the values say, and a simulation has no values: "
                f"state how many with oracles=Oracles({ROWS}=...), or --oracle {ROWS}=..."
            )
        count = as_count(str(func), value)
        return count if limit is None else min(count, limit)

    def item(self, func: Any, meaning: str) -> float:
        """The number that the host reads. Raises `SimulationError` if no oracle says so.

        `meaning` describes for that error what the operator looks like in a program.
        """
        value = self._by_name([ITEM, *_names(func)])
        if value is None:
            value = self._oracles.item
        if value is None:
            raise SimulationError(
                f"{func} reads a value of the device on the host ({meaning}), and a simulation has no values: "
                f"state it with oracles=Oracles({ITEM}=...), or --oracle {ITEM}=..."
            )
        return value

    def _by_name(self, operator_names: Iterable[str]) -> float | None:
        """The answer for the operator, or else for the innermost running function that has one."""
        by_name = self._oracles.by_name
        if not by_name:
            return None
        for name in (*operator_names, *_running_functions()):
            if name in by_name:
                self._unused.discard(name)
                return by_name[name]
        return None


def _running_functions() -> list[str]:
    """Names of the Python functions on the stack, innermost first, each with and without its class."""
    names, frame = [], sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        names += [frame.f_code.co_qualname, frame.f_code.co_name]
    return names


def _names(func: Any) -> list[str]:
    """Names of an operator, such as `aten._unique2.default`, `aten._unique2`, `_unique2` and `unique`."""
    packet = str(func).rpartition(".")[0]
    name = packet.rpartition(".")[2]
    return [str(func), packet, name, name.strip("_0123456789")]
