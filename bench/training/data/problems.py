"""What is wrong with a data set, as one sentence."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec


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
        return _read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read as {what}: {error}.") from None


def read_json(path: Path, what: str) -> Any:
    """Parse a JSON file. Raises `DataError` with the line that is broken."""
    content = _read_bytes(path, what)
    try:
        try:
            return msgspec.json.decode(content)
        except msgspec.DecodeError:  # Python's own parser is slower, but knows NaN, and names the line
            return json.loads(content)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read as {what}: {error}.") from None
    except RecursionError:
        raise DataError(f"{path} cannot be read as {what}: its lists are nested too deeply.") from None


def read_xml(path: Path, what: str) -> ElementTree.Element:
    """Parse an XML file and return its root. Raises `DataError` with the line that is broken."""
    try:
        return ElementTree.fromstring(_read_bytes(path, what))  # which may state another encoding
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = error.msg.split(":")[0]
        raise DataError(f"{path} is not valid XML: line {line}, column {column + 1}: {reason}.") from None
    except (LookupError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {what}: {error}.") from None


def _read_bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; it should be {what}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read as {what}: {error.strerror}.") from None
