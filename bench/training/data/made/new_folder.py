"""A folder of new files that is there whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drystep.errors import OutputError


@contextmanager
def filled_whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; at its end all that is in it is moved into `folder`.

    After an error, or an interruption, `folder` is as it was before. Raises `ValueError` if it holds anything or
    cannot be written to, and `OutputError` if the system refuses a write later, such as for want of space.
    """
    created = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ValueError(f"{folder} is not empty: name a new folder, so that nothing in it is overwritten")
        unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=".", suffix=".part"))
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from error
    moved: list[Path] = []
    try:
        yield unfinished
        for entry in sorted(unfinished.iterdir()):
            place = folder / entry.name
            entry.rename(place)
            moved.append(place)
        unfinished.rmdir()
    except BaseException as error:
        for leftover in (unfinished, *moved):
            shutil.rmtree(leftover, ignore_errors=True)
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
        if created:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise OutputError(f"cannot write to {folder}: {error.strerror or error}; nothing was kept") from error
        raise
