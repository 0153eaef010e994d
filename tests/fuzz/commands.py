"""Runs a command line in this process, and says what came of it."""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from drystep.measure.deadline import deadline

PATIENCE_S = 60
"""A command that takes longer hangs."""
LONGEST = 200_000
"""Characters that a command may answer with."""


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    status: int
    out: str
    err: str


def answer(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> Answer:
    """Run a command; an exception of it, `TimeLimitError` among them, is the caller's."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    with redirect_stdout(out), redirect_stderr(err), deadline(PATIENCE_S):
        status = main(arguments)
    return Answer(status, *(_written(stream) for stream in (out, err)))


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def require_refusal(answered: Answer, statuses: Sequence[int] = (2,)) -> None:
    """The command said in words what was wrong, and told its exit status."""
    assert answered.status in statuses, answered
    assert answered.err.strip(), "a failure without a word"
    require_words(answered)


def require_words(answered: Answer) -> None:
    """Whatever the command said is text for people, of a length for people, without control characters."""
    for text in (answered.out, answered.err):
        assert "Traceback (most recent call last)" not in text
        assert len(text) < LONGEST
        assert not [character for character in text if ord(character) < 32 and character not in "\n\t"], text
