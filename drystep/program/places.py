"""The place in a program at which a value is asked for, and the names by which a statement can refer to it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import CodeType

from drystep.program.source_lines import Frame, SourceLine, frame_of, innermost, is_pytorch, running_code

MOST_PLACES = 4096
MOST_NAMES = 4
"""Functions and lines that are offered as names, the innermost first."""


@dataclass(frozen=True)
class Place:
    """Where a program asks for a value."""

    line: SourceLine | None
    """The innermost line of the user's program; None where there is none on the stack."""
    frames: tuple[Frame, ...]
    """Running functions outside PyTorch and this package, innermost first."""

    @property
    def where(self) -> str:
        """The user's line, without the library that it calls."""
        return "" if self.line is None else str(replace(self.line, library=""))

    @property
    def library(self) -> str:
        """File, line and function of the library that asks, if it is not the user's line itself; otherwise ""."""
        return "" if self.line is None else self.line.library

    @property
    def key(self) -> tuple[str, int]:
        """File and line of the innermost function outside PyTorch."""
        return (self.frames[0].file, self.frames[0].line) if self.frames else ("", 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of lines and functions by which a statement can refer to the place, the narrowest first."""
        found: dict[str, None] = {}
        for frame in self.frames[:MOST_NAMES]:
            found[f"{PurePath(frame.file).name}:{frame.line}"] = None
            found[frame.qualified_name.replace("<locals>.", "")] = None
        return tuple(name for name in found if "<" not in name)[:MOST_NAMES]

    def all_names(self) -> Iterator[str]:
        """Every name that stands for the place: of lines with more or less of their path, of functions and methods."""
        for frame in self.frames:
            path = PurePath(frame.file)
            parts = path.parts
            yield from (f"{'/'.join(parts[start:])}:{frame.line}" for start in range(len(parts) - 1, -1, -1))
            yield f"{path}:{frame.line}"
            yield frame.qualified_name
            yield frame.name


def running_place() -> Place:
    """The place at which the program runs now."""
    return _place_of(tuple((code, code.co_filename, line) for code, line in running_code()))


@functools.lru_cache(maxsize=MOST_PLACES)
def _place_of(running: tuple[tuple[CodeType, str, int], ...]) -> Place:
    """The place of running code, which a step comes to again and again. Code of two files may be equal."""
    frames = [frame_of(code, line) for code, _, line in running]
    return Place(innermost(frames), tuple(frame for frame in frames if not (frame.is_own or is_pytorch(frame.file))))
