"""A whole file whose new content depends on the old, while other processes may want to change it too."""

from collections.abc import Callable
from pathlib import Path

from drystep.files.locks import locked
from drystep.files.whole import write_whole


def rewrite(path: Path, change: Callable[[bytes], str]) -> None:
    """Replace a file's content by what `change` makes of it; nothing is the content of a file that is not there.

    No other call changes the file meanwhile. After an error, of `change` too, the file is as it was. Creates its
    folder. Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    existed = path.exists()
    with locked(path) as file:
        before = file.read()
        try:
            write_whole(path, change(before))
        except BaseException:
            if not existed and not before:
                path.resolve().unlink()  # the lock has made it
            raise
