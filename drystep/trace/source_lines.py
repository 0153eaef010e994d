"""The line of the user's program on which an operator runs or an error is raised."""

import linecache
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

OWN_FOLDER = str(Path(__file__).parents[1]) + os.sep
STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]
PYTORCH = str(Path("site-packages", "torch")) + os.sep


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
    frames: list[tuple[str, int, str]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return _innermost(frames)


def line_of_error(error: BaseException) -> SourceLine | None:
    """The innermost line of the user's program in the traceback of an error."""
    frames: list[tuple[str, int, str]] = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append((code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return _innermost(reversed(frames))


def _innermost(frames: Iterable[tuple[str, int, str]]) -> SourceLine | None:
    """The first frame of the user's program, among frames with the innermost first."""
    library = ""
    for file, line, function in frames:
        if _is_own(file):
            continue
        if not _is_library(file):
            return SourceLine(file, line, function, library)
        if not library and "site-packages" in file and PYTORCH not in file:
            library = f"{_short(file)}:{line} {function}"
    return None


def _is_own(file: str) -> bool:
    return file.startswith(OWN_FOLDER)


def _is_library(file: str) -> bool:
    packaged = "site-packages" in file or "dist-packages" in file
    return packaged or file.startswith((STANDARD_LIBRARY, "<frozen", "<string>", "<__array"))


def _short(file: str) -> str:
    """Shorten a path: cut it after site-packages, or make it relative to the working directory."""
    if "site-packages" in file:
        return file.rpartition("site-packages")[2].lstrip("/\\")
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
