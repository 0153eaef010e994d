"""Errors of drystep that are sentences for its user, and the answer to an unknown name."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

LONGEST_MESSAGE = 2000
"""Characters that are kept of a message that somebody else wrote."""
MOST_LISTED = 30
"""Names that an error lists all; of more it lists the nearest ones."""
MOST_NEAR = 5
LONGEST_NAME = 200
"""Characters of a name that are compared; comparing takes their square."""
ALIKE, CLOSE_BEHIND = 0.6, 0.1
"""How alike two names are (0 to 1) that may be meant for each other, and how far others may be behind the best."""


class SimulationError(ValueError):
    """A training step that cannot be simulated."""


class OutputError(Exception):
    """An output could not be written after its work was done; a command line ends with exit status 1."""


def choose(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` if it is one of `valid`.

    `kind` is what the name stands for, such as "method". Raises `ValueError` that says which name may be meant and
    lists the valid ones; of more than `MOST_LISTED` it names the nearest ones and their number.
    """
    valid = list(valid)
    if name in valid:
        return name
    if len(valid) > MOST_LISTED:
        near = nearest(name, valid)
        remedy = (
            f"did you mean {one_of(near)}? there are {len(valid):,}" if near else f"none of {len(valid):,} is like it"
        )
        raise ValueError(f"unknown {kind} {name!r}: {remedy}")
    near = nearest(name, valid, most=1)
    asked = f"did you mean {near[0]}? " if near else ""
    raise ValueError(f"unknown {kind} {name!r}: {asked}choose from {', '.join(valid)}")


def nearest(
    name: str, valid: Sequence[str], form: Callable[[str], str] = str, most: int = MOST_NEAR
) -> list[str]:  # fmt: skip
    """The valid names that may be meant by a name that is none of them, the most likely first; often there is none.

    Case and punctuation do not count. `form` gives the part of a valid name that is compared. A name without letters,
    such as a version, is like no other.
    """
    typed = _comparable(name) if isinstance(name, str) else ""
    if not re.search("[a-z]", typed):
        return []
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(typed)  # what it finds out about the second sequence it keeps
    rated = [(_likeness(typed, _comparable(form(each)), matcher), each) for each in valid]
    best = max((rating for rating, _ in rated), default=0.0)
    near = [(rating, each) for rating, each in rated if rating >= max(ALIKE, best - CLOSE_BEHIND)]
    near.sort(key=lambda found: (-found[0], len(found[1])))
    return [each for _, each in near[:most]]


def one_of(names: Sequence[str]) -> str:
    """Names as a choice, such as "a, b or c"."""
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _comparable(name: str) -> str:
    return re.sub(r"[\W_]", "", name[:LONGEST_NAME].lower())


def _likeness(typed: str, name: str, matcher: "difflib.SequenceMatcher[str]") -> float:
    """Part of the letters that two names share in their order; more than 1 for the name, its beginning or a part."""
    if name == typed:
        return 4.0
    if name.startswith(typed):
        return 3.0
    if typed in name and len(typed) > 2:
        return 2.0
    matcher.set_seq1(name)
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < ALIKE:  # far cheaper than the ratio that they bound
        return 0.0
    return matcher.ratio()


def counted(count: int, noun: str) -> str:
    """A number with what it counts, such as "1 answer" or "2,000 answers"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def shortened(message: str) -> str:
    """The beginning of a message, and how long it is, where it is longer than a message may be."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[:LONGEST_MESSAGE]}... ({len(message):,} characters)"
