"""How far a long check of many rows is, on stderr."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from drystep.commands.terminal import stderr

Item = TypeVar("Item")


def told(items: Iterable[Item], name: Callable[[Item], str]) -> Iterator[Item]:
    """Pass items on, and say which one is at work and how many there are, where that is known."""
    total = f" of {len(items)}" if isinstance(items, Sized) else ""
    with stderr.status("") as waiting:
        for number, item in enumerate(items, start=1):
            waiting.update(f"{number}{total}: {name(item)}")
            yield item
