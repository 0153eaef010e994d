"""What a simulated step asked about values, and what it was answered."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["known", "stated", "assumed"]
MOST_ANSWERS = 10
"""Different answers to one question that are listed."""
LONGEST_ANSWER = 60
"""Characters of an answer in a sentence."""
NOWHERE = "a line outside the program"
"""Stands for the user's line where there is none."""


@dataclass(frozen=True)
class Assumption:
    """A question about values that a step asks at one place, and how it was answered."""

    asked: str
    """The question, such as "rows of aten.nonzero.default, of at most 242991"."""
    operator: str
    """The operator that asks it."""
    where: str
    """The user's line; "" where none was running."""
    library: str
    """File, line and function of the library that asks, if the user's line only calls it; otherwise ""."""
    kind: Kind
    """Whether the answer follows from data that is known, was stated by the user, or is an assumption."""
    answers: tuple[Any, ...]
    """The different answers in the order in which they were given, at most ten."""
    times: int
    """How often it was asked, in all steps."""
    names: tuple[str, ...]
    """Names under which `Oracles.by_name` can state the answer, the narrowest first."""
    note: str = ""
    """What a known answer rests on, if it follows from random numbers that were drawn; otherwise ""."""
    most_rows: int | None = None
    """The most rows that the operator could return, if it asks for rows and they are bounded."""
    question: tuple[str, int, str] = ("", 0, "")
    """File and line that ask, and the operator: what distinguishes this question from others."""

    @property
    def is_open(self) -> bool:
        """Whether it was assumed, and does not just follow from another assumption."""
        return self.kind == "assumed" and not self.note

    @property
    def decides_rows(self) -> bool:
        """Whether it is an assumed number of rows, which a peak may hang on."""
        return self.is_open and self.most_rows is not None

    @property
    def answer(self) -> Any:
        """The first answer."""
        return self.answers[0]

    @property
    def said(self) -> str:
        """The question, what it was answered, how often, and what a known answer rests on."""
        given = ", ".join(str(answer)[:LONGEST_ANSWER] for answer in self.answers)
        often = f", asked {self.times} times" if self.times > 1 else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.asked} = {given}{often}{note}"

    def __str__(self) -> str:
        inside = f", in {self.library}" if self.library else ""
        return f"{self.kind}: {self.said}, at {self.where or NOWHERE}{inside}"
