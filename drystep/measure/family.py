"""Which children belong together, so that all of them can be ended and those of others left alone."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Member(Protocol):
    """A child process."""

    def close(self) -> None:
        """End it."""


class Family:
    """The children that some threads start."""

    _of_thread = threading.local()

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._members: weakref.WeakSet[Member] = weakref.WeakSet()
        self._closed = False

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Take up the children that this thread starts in the block."""
        before = self.of_this_thread()
        self._of_thread.family = self
        try:
            yield
        finally:
            self._of_thread.family = before

    def close(self) -> None:
        """End all of them; a thread that starts one from now on gets one that has ended."""
        with self._changing:
            self._closed = True
            members = list(self._members)
        for child in members:
            child.close()

    @classmethod
    def of_this_thread(cls) -> "Family | None":
        """The family that takes up what this thread starts, if there is one."""
        return getattr(cls._of_thread, "family", None)

    def take_up(self, child: Member) -> None:
        """Add a new child."""
        with self._changing:
            closed = self._closed
            self._members.add(child)
        if closed:
            child.close()
