"""The folder of one card: result lines, notes of other items, requests; each is on disk when its item is done.

Lines are read without msgspec, which a machine that only measures may lack: they are our own. Who reads them elsewhere
checks them (`bench.results.store`). No file grows beyond 16 MiB. Does not import torch.
"""

import gzip
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.cases.case import Case
from bench.results.result import LINE_ORDER, SCHEMA, Result
from drystep.errors import OutputError
from drystep.files.lines import LineFile
from drystep.files.whole import require_folder, write_whole

MOST_BYTES = 16 << 20
"""Of one file: what a mail or a small machine takes."""
RESULTS, NOTES, REQUESTS, CARD = "results.jsonl", "items.jsonl", "requests.jsonl.gz", "card.toml"
CUT = "The rest is left out, because a file has at most 16 MiB."


@dataclass(frozen=True)
class Note:
    """What came out of an item that is no result of a case."""

    item: str
    """The item's title."""
    status: Literal["ok", "error", "left out"]
    message: str = ""
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Folder:
    """What was found out on one card, on disk and at hand. Several threads may add to it."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises `ValueError` for a folder that cannot be used."""
        self.path = path
        self.measured: dict[Case, Result] = {}
        self.simulated: dict[Case, Result] = {}
        self.notes: dict[str, Note] = {}
        self.unreadable = 0
        """Lines that were left out when the folder was read."""
        self.full: list[str] = []
        """What was left out because a file was full."""
        self._lock = threading.Lock()
        self._results = LineFile(path / RESULTS, "results", b'{"schema": ', _is_whole)
        self._notes = LineFile(path / NOTES, "items", b'{"item": ', _is_whole)
        try:
            require_folder(path)
            self._results.require_writable()
            self._notes.require_writable()
        except OSError as error:
            raise ValueError(f"cannot write to the folder {path}: {error.strerror or error}") from error
        for line in (path / RESULTS).read_bytes().splitlines():
            self._read(line, lambda content: self._keep(result_of_line(content)))
        for line in (path / NOTES).read_bytes().splitlines():
            self._read(line, lambda content: self._keep_note(Note(**json.loads(content))))

    def add_result(self, result: Result) -> None:
        """Store the result of a case, measured or simulated. Raises `OutputError`."""
        line = result.to_json()
        with self._lock:
            if not self._has_room(self._results.path, len(line)) and result.failure:
                line = replace(result, failure={**result.failure, "detail": ""}).to_json()
            self._append(self._results, line, result.case.title)
            self._keep(result)

    def add_note(self, note: Note) -> None:
        """Store what came out of another item. Raises `OutputError`."""
        with self._lock:
            self._append(self._notes, json.dumps(asdict(note)), note.item)
            self._keep_note(note)

    def add_requests(self, item: str, requests: Sequence[int]) -> bool:
        """Store the requests of a recording, compressed; False where the file has no room for them."""
        packed = gzip.compress(json.dumps({"item": item, "requests": list(requests)}).encode() + b"\n")
        path = self.path / REQUESTS
        with self._lock:
            if not self._has_room(path, len(packed)):
                self.full.append(f"requests of {item}")
                return False
            try:
                with path.open("ab") as file:  # a gzip file may have several parts
                    file.write(packed)
            except OSError as error:
                raise _unwritten(path, error) from error
        return True

    def write(self, name: str, text: str) -> None:
        """Replace a file of the folder; what is beyond 16 MiB is cut, and the file says so. Raises `OutputError`."""
        try:
            write_whole(self.path / name, within(text))
        except OSError as error:
            raise _unwritten(self.path / name, error) from error

    def _append(self, file: LineFile, line: str, title: str) -> None:
        if not self._has_room(file.path, len(line.encode()) + 1):
            self.full.append(title)
            return
        try:
            file.append(line)
        except OSError as error:
            raise _unwritten(file.path, error) from error

    def _has_room(self, path: Path, size_bytes: int) -> bool:
        return (path.stat().st_size if path.exists() else 0) + size_bytes <= MOST_BYTES

    def _read(self, line: bytes, keep: Callable[[bytes], None]) -> None:
        try:
            keep(line)
        except (ValueError, TypeError, KeyError, AttributeError):  # what a killed run has left, or another version
            self.unreadable += 1

    def _keep(self, result: Result) -> None:
        (self.measured if result.case.engine == "cuda" else self.simulated)[result.case] = result

    def _keep_note(self, note: Note) -> None:
        self.notes[note.item] = note


def within(text: str, most_bytes: int = MOST_BYTES) -> str:
    """A text that fits a file; the whole lines that do, and a sentence, if it does not."""
    content = text.encode()
    if len(content) <= most_bytes:
        return text
    kept = content[: most_bytes - len(CUT) - 1]
    return kept[: kept.rfind(b"\n") + 1].decode() + CUT + "\n"


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def result_of_line(line: str | bytes) -> Result:
    """The result of a line that this version wrote. Raises `ValueError`, `TypeError` or `KeyError` for others."""
    values = json.loads(line)
    if values["schema"] != SCHEMA:
        raise ValueError("a line of another schema")
    fields = {name: values[name] for name in LINE_ORDER if name not in ("case", "method")}
    return Result(case=Case(**values["case"]), **fields)


def _unwritten(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write to {path}: {error.strerror or error}; what was stored before is there")
