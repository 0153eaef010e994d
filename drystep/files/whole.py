"""Outputs that are there whole or not at all: written beside their place, then renamed into it."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def require_folder(folder: Path) -> None:
    """Create a folder if need be, and try to write into it. Raises `OSError` where that cannot be done."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file, or the one that a symbolic link names, by new content; text as UTF-8.

    Until the new content is complete, and after an error, the file has its old content. The folder is created if it
    does not exist. Raises `OSError`.
    """
    place = path.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        _put(Path(name), place)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write files into; at its end they replace the files of their names in `folder`.

    Nothing of `folder` changes when an error leaves the block. Creates `folder`. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder, prefix=".", suffix=".part"))
    try:
        yield beside
        for file in sorted(beside.iterdir()):
            _put(file, (folder / file.name).resolve())
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(file: Path, place: Path) -> None:
    """Rename a temporary file, which is its owner's alone, with the permissions of the file that it replaces."""
    try:
        before = place.stat().st_mode
    except FileNotFoundError:
        before = stat.S_IFREG | (0o666 & ~_umask())
    if not stat.S_ISREG(before):
        raise OSError(errno.EINVAL, "it is there and is not a file", str(place))  # a device would be lost
    file.chmod(before & 0o777)
    file.replace(place)


def _umask() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mask
