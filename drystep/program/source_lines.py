"""The line of the user's program on which an operator runs or an error is raised."""

import linecache
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep
STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]
PYTORCH = str(Path("site-packages", "torch")) + os.sep


class Frame(NamedTuple):
    """A running function."""

    file: str
    line: int
    name: str
    qualified_name: str = ""
    """Name with that of its class."""

    @property
    def is_own(self) -> bool:
        """Whether it is a function of this package."""
        return self.file.startswith(OWN_FOLDER)


@dataclass(frozen=True)
class SourceLine:
    """A line of a program."""

    file: str
    line: int
    function: str
    library: str = ""
    """Line and function of the library in which it happens, if the user's own line only calls into it."""

    def __str__(self) -> str:
        code = linecache.getline(self.file, self.line).strip()
        inside = f", in {self.library}" if self.library else ""
        return f"{_short(self.file)}:{self.line}" + (f" (`{code}`{inside})" if code else f" ({self.function}{inside})")


def line_of_stack() -> SourceLine | None:
    """The innermost running line of the user's program."""
    return innermost(frame_of(code, line) for code, line in running_code())


def running_code() -> tuple[tuple[CodeType, int], ...]:
    """Code and line of the running functions, innermost first."""
    running = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        running.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(running)


def frame_of(code: CodeType, line: int) -> Frame:
    """What is said of a running function."""
    return Frame(code.co_filename, line, code.co_name, code.co_qualname)


def line_of_error(error: BaseException) -> SourceLine | None:
    """The innermost line of the user's program in the traceback of an error."""
    frames: list[Frame] = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(frame_of(code, traceback.tb_lineno))
        traceback = traceback.tb_next
    return innermost(reversed(frames))


def innermost(frames: Iterable[Frame]) -> SourceLine | None:
    """The first frame of the user's program, among frames with the innermost first."""
    library = ""
    for frame in frames:
        if frame.is_own:
            continue
        if not _is_library(frame.file):
            return SourceLine(frame.file, frame.line, frame.name, library)
        if not library and "site-packages" in frame.file and not is_pytorch(frame.file):
            library = f"{_short(frame.file)}:{frame.line} {frame.name}"
    return None


def pytorch_calls() -> bool:
    """Whether PyTorch's own Python code, such as an optimizer, calls the function of this package that asks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(OWN_FOLDER):
        frame = frame.f_back
    return frame is not None and is_pytorch(frame.f_code.co_filename)


def is_pytorch(file: str) -> bool:
    """Whether a file is PyTorch's or the standard library's."""
    return PYTORCH in file or (file.startswith((STANDARD_LIBRARY, "<")) and "site-packages" not in file)


def _is_library(file: str) -> bool:
    packaged = "site-packages" in file or "dist-packages" in file
    return packaged or file.startswith((STANDARD_LIBRARY, "<frozen", "<string>", "<__array"))


def _short(file: str) -> str:
    """Shorten a path: cut it after site-packages, or make it relative to the working directory."""
    if "site-packages" in file:
        return file.rpartition("site-packages")[2].lstrip("/\\")
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
