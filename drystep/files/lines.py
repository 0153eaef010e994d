"""A file of JSON lines that several processes append to, and that any of them may leave in the middle of a line."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from drystep.files.locks import locked

CHUNK_BYTES = 1 << 18
LONGEST_LINE_BYTES = 1 << 24
"""Our lines have a few kilobytes. A longer one is read in parts, so that a foreign file cannot fill the memory."""


class ForeignFileError(ValueError):
    """A file holds something else than the lines that were to be appended."""


@dataclass(frozen=True)
class LineFile:
    """A file of lines of one kind."""

    path: Path
    what: str
    """What its lines are, for messages: "results"."""
    beginning: bytes
    """What every line of the kind begins with."""
    is_line: Callable[[bytes], bool]
    """Whether a line, without its end, is whole and of the kind."""

    def require_writable(self) -> None:
        """Create folder and file if need be. Raises `ForeignFileError` for other content, and `OSError`."""
        with self._ours():
            pass

    def append(self, line: str) -> None:
        """Add a line, whole or not at all; create folder and file if need be.

        What a killed writer has left of a line of the kind makes way. Any other last line that lacks its end gets it.
        Raises `ForeignFileError` for other content, and `OSError`.
        """
        with self._ours() as file:
            start, tail = _last_line(file)
            new = line.encode() + b"\n"
            if tail and not (begins(tail, self.beginning) and not self.is_line(tail)):
                start, new = start + len(tail), b"\n" + new
            file.truncate(start)
            file.seek(start)
            try:
                _write(file, new)
            except BaseException:
                file.truncate(start)  # a full disk must not leave half a line
                raise

    @contextmanager
    def _ours(self) -> Iterator[BinaryIO]:
        """The file, locked."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path) as file:
            self._require_ours(file)
            yield file

    def _require_ours(self, file: BinaryIO) -> None:
        """A file is ours that has a line of the kind, or nothing but the beginning of one."""
        file.seek(0)
        empty = True
        for line in short_lines(file):
            text = line.rstrip(b"\r\n")
            if begins(text, self.beginning) and self.is_line(text):
                return
            unfinished = begins(text, self.beginning) and not line.endswith(b"\n")
            empty = empty and (not text or unfinished)
        if not empty:
            raise ForeignFileError(
                f"{self.path} holds something else than {self.what}: name another file, or a new one"
            )


def begins(line: bytes, beginning: bytes) -> bool:
    """Whether a line has this beginning, or may still get it, being shorter."""
    return beginning.startswith(line[: len(beginning)])


def short_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends; one that is longer than any of ours comes in parts."""
    buffer = b""
    while chunk := file.read(CHUNK_BYTES):
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(buffer) > LONGEST_LINE_BYTES:
            yield buffer
            buffer = b""
    if buffer:
        yield buffer


def _last_line(file: BinaryIO) -> tuple[int, bytes]:
    """Where what follows the last end of line begins, and what it is."""
    start = file.seek(0, os.SEEK_END)
    tail = b""
    while start > 0:
        size = min(CHUNK_BYTES, start)
        file.seek(start - size)
        chunk = file.read(size)
        ended = chunk.rfind(b"\n") + 1
        tail = chunk[ended:] + tail
        if ended:
            return start - size + ended, tail
        start -= size
    return 0, tail


def _write(file: BinaryIO, content: bytes) -> None:
    while content:
        content = content[file.write(content) :]
    os.fsync(file.fileno())
