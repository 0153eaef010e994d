"""Text that may leave this machine: without its paths and without its name."""

import os
import re
import site
import socket
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

HOST = "this machine"
SHORTEST_HOST = 3
"""A shorter host name is a word that texts have anyway."""
PART = r"[^\s/\\:;,\"'()<>|]+"
OTHER_PATHS = re.compile(rf"(?<![\w.~/\\-])(?:[A-Za-z]:)?[/\\](?:{PART}[/\\])+(?={PART})")
"""The folders of an absolute path of any system; what follows is the name of a file."""


def impersonal(text: str, folders: Mapping[Path, str] | None = None) -> str:
    """Replace what of a text says where it was written.

    `folders` are replaced by what they map to, such as a checkout by "". A path below the home folder begins with `~`,
    one of an installed package with `site-packages`; of any other absolute path the file's name is left.
    """
    for folder, instead in sorted(_known(folders or {}), key=lambda pair: -len(pair[0])):
        text = text.replace(folder + os.sep, f"{instead}/" if instead else "")
    text = OTHER_PATHS.sub(".../", text)
    host = socket.gethostname()
    return re.sub(rf"\b{re.escape(host)}\b", HOST, text) if len(host) >= SHORTEST_HOST else text


def _known(folders: Mapping[Path, str]) -> Iterator[tuple[str, str]]:
    """Folders by the names that a text may have for them, and what stands for each."""
    packages = [Path(folder) for folder in (*site.getsitepackages(), *map(sysconfig.get_path, ("purelib", "platlib")))]
    named = {
        Path.home(): "~",
        Path(tempfile.gettempdir()): "tmp",
        Path(sysconfig.get_path("stdlib")): "python",
        **dict.fromkeys(packages, "site-packages"),
        **folders,
    }
    for folder, instead in named.items():
        for spelled in dict.fromkeys((folder, folder.resolve())):
            if len(spelled.parts) > 1:  # not the root of all
                yield os.fspath(spelled), instead
