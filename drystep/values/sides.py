"""Which answer an assumption gives: the first at first, and another one where the first made the step fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Question = tuple[str, int, str]
"""File and line that ask, and the operator."""


@dataclass(frozen=True)
class Sides:
    """The answers that are chosen, by number; 0 is the first."""

    chosen: Mapping[Question, int] = field(default_factory=dict)
    """Question -> number of its answer."""
    of_rows: int = 0
    """Number of the answer to questions about rows that are not chosen one by one."""

    def pick(self, question: Question, answers: tuple[Any, ...], about_rows: bool) -> Any:
        """The answer to a question, of several that are possible."""
        number = self.chosen.get(question, self.of_rows if about_rows else 0)
        return answers[min(number, len(answers) - 1)]


FIRST_SIDES = Sides()
"""The first answer to every question."""


NO_ROWS, ONE_ROW = 1, 2
"""Numbers of the answers to a question about rows, after 0 for all of them."""


def answers_for_rows(limit: int) -> tuple[int, ...]:
    """All rows, none, and one."""
    return limit, 0, min(1, limit)


def answers_for_value(is_bool: bool) -> tuple[Any, ...]:
    """The answers to try for a number or a condition."""
    return (True, False) if is_bool else (1, 0)
