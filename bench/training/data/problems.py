"""What is wrong with a data set, as one sentence."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree


class DataError(ValueError):
    """A data set that is not as its format says; the message is a sentence that names the file and what was expected.

    Commands show it and exit with status 2, as for every `ValueError`.
    """


def require_folders(root: Path, names: tuple[str, ...], what: str) -> None:
    """Check that all folders exist in `root`. Raises `DataError`, which says `what` was expected there."""
    for name in names:
        if not (root / name).is_dir():
            raise DataError(f"{root} is not {what}: it has no folder {name}.")


def read_text(path: Path, what: str) -> str:
    """Read a text file. Raises `DataError`, which says `what` the file should be, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; it should be {what}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as {what}: {error}.") from None


def read_json(path: Path, what: str) -> Any:
    """Parse a JSON file. Raises `DataError` with the line that is broken."""
    try:
        return json.loads(read_text(path, what))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None


def read_xml(path: Path, what: str) -> ElementTree.Element:
    """Parse an XML file and return its root. Raises `DataError` with the line that is broken."""
    try:
        return ElementTree.fromstring(read_text(path, what))
    except ElementTree.ParseError as error:
        line, column = error.position
        raise DataError(f"{path} is not valid XML: line {line}, column {column}: {error.msg}.") from None
