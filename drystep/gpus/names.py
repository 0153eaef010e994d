"""Which GPU classes a name on the command line means: one class, several forms of one card, or a group."""

import re
from collections.abc import Sequence

from drystep.bounds import shown
from drystep.errors import MOST_NEAR, nearest, one_of, shortened

ALL = "all"
"""Name of the group of all classes."""
SIZE = re.compile(r"(\d+)\s*gb", re.IGNORECASE)
"""Name of a group: all classes with so much memory, by their names."""
MEMORY_SUFFIX = re.compile(r"-\d+gb$")
MAKERS = re.compile(r"nvidia|geforce|quadro|tesla", re.IGNORECASE)
"""Words before the names of cards that tell none apart from another."""
LISTED = "`drystep gpus` lists all"


def classes_named(name: str, known: Sequence[str]) -> list[str]:
    """The known classes that a name means, in their order.

    That is the class of that name; all classes for `all`; those with 24 GB for `24gb`; or those of a card, however it
    is written: `RTX 4090`, `4090`, `a100` for the A100 with 40 and with 80 GB. Raises `ValueError` for a name that
    means none, with the nearest ones.
    """
    if not isinstance(name, str):
        raise ValueError(f"a GPU is named by a text, such as 'v100-32gb', got {shown(name)}")
    if name in known:
        return [name]
    if name.strip().lower() == ALL:
        return list(known)
    size = SIZE.fullmatch(name.strip())
    found = _of_size(f"-{size[1]}gb", known) if size else _of_card(name, known)
    if not found:
        raise ValueError(_unknown(name, known))
    return found


def any_named(names: Sequence[str]) -> bool:
    """Whether names mean cards of a user's choice: `all` names none."""
    return any(name.strip().lower() != ALL for name in names)


def _of_size(suffix: str, known: Sequence[str]) -> list[str]:
    return [each for each in known if each.endswith(suffix)]


def _of_card(name: str, known: Sequence[str]) -> list[str]:
    """The classes whose name, with the memory or without, has the letters and digits of the name.

    Either may lack its series: `4090` means the RTX 4090 and `RTX A6000` the A6000, but `GTX 4090` no card.
    """
    plain, bare = _plain(name), _without_series(name)
    return [
        each
        for each in known
        if plain
        and any(plain in (_plain(form), _without_series(form)) or bare == _plain(form) for form in _forms(each))
    ]


def _forms(name: str) -> tuple[str, str]:
    """The name with its memory, and without."""
    return name, MEMORY_SUFFIX.sub("", name)


def _plain(name: str) -> str:
    """Letters and digits alone, in lower case, without the maker."""
    return re.sub(r"[^a-z0-9]", "", MAKERS.sub("", name).lower())


def _without_series(name: str) -> str:
    return re.sub(r"^[rg]tx", "", _plain(name))


def _unknown(name: str, known: Sequence[str]) -> str:
    typed = _plain(name)
    begun = [each for each in known if any(char.isdigit() for char in typed) and _plain(each).startswith(typed)]
    near = begun[:MOST_NEAR] or nearest(MAKERS.sub("", SIZE.sub("", name)), known, lambda each: _forms(each)[1])
    asked = f"did you mean {one_of(near)}? " if near else ""
    return f"unknown GPU {shortened(name)!r}: {asked}{LISTED} {len(known)}"
