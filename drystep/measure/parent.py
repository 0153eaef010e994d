"""The parent's side: start a child, ask it, stop it at its time limit, and say what it died of."""

import json
import os
import queue
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drystep.measure.failure import ChildError, Failure, describe_exit

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
"""Folder in which drystep lies: a checkout, or one of installed packages."""
DETAIL_CHARACTERS = 4000
_LIVING: "weakref.WeakSet[Child]" = weakref.WeakSet()


class Child:
    """A fresh process with one session in it: `Child("module:Class", {...})`, then `call("method", ...)`.

    `time_limit_s` bounds the time that all calls take together, the start included; `environment` changes variables of
    the process (None takes one away); `folders` are where it imports the session from, beside what is installed. Calls
    raise `ChildError` when the child raised, died or ran out of time; it is
    gone then. Neither `multiprocessing` nor a fork is involved, so scripts and notebooks need no guard.
    """

    def __init__(
        self,
        opener: str,
        arguments: Mapping[str, Any],
        time_limit_s: float,
        environment: Mapping[str, str | None] | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        self.time_limit_s = time_limit_s
        self.left_s = time_limit_s
        self.phase = "opening"
        self.opened = False
        self.failure: Failure | None = None
        variables = {**os.environ, "PYTHONPATH": import_path(folders), "PYTHONSAFEPATH": "1", **(environment or {})}
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the child
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "drystep.measure.child", opener],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env={name: value for name, value in variables.items() if value is not None},
        )
        self.replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read_replies, daemon=True).start()
        _LIVING.add(self)
        self._send(dict(arguments))

    def call(self, name: str, **arguments: Any) -> Any:
        """What a method of the session returns. A child that has failed fails again in the same way."""
        if self.failure is not None:
            raise ChildError(self.failure)
        if not self.opened:
            self._reply()
            self.opened = True
        self._send({"call": name, "arguments": arguments})
        return self._reply()

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.stderr):
            if file is not None:
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it is dead: the missing reply tells

    def _read_replies(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.replies.put(line)
        self.replies.put(b"")

    def _reply(self) -> Any:
        start = time.monotonic()
        while True:
            try:
                line = self.replies.get(timeout=max(0.0, self.left_s - (time.monotonic() - start)))
            except queue.Empty:
                raise self._failed("timeout", f"stopped at its time limit of {self.time_limit_s:g} s") from None
            if not line.endswith(b"\n"):  # nothing, or what it was writing when it died
                raise self._failed(*describe_exit(self.process.wait()))
            reply = json.loads(line)
            if "phase" in reply:
                self.phase = reply["phase"]
            elif "failed" in reply:
                raise self._failed(**reply["failed"])
            else:
                self.left_s -= time.monotonic() - start
                return reply["done"]

    def _failed(self, kind: Any, message: str, **more: Any) -> ChildError:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if "detail" not in more and not self.stderr.closed:  # another thread may have closed the child
            self.stderr.seek(0)
            more["detail"] = self.stderr.read().decode(errors="replace")
        more["detail"] = more.get("detail", "")[-DETAIL_CHARACTERS:].strip()
        where = self.phase if self.phase in ("opening", "timing") else f"{self.phase} phase"
        self.failure = Failure(kind=kind, message=f"{message} ({where})", phase=self.phase, **more)
        self.close()
        return ChildError(self.failure)


def import_path(folders: Sequence[Path] = ()) -> str:
    """The `PYTHONPATH` of a child: `folders`, what this process imports drystep from, what its environment names.

    The working directory is not part of it (`python -P`), whatever stands there. A folder of installed packages is
    left out, since the child has it anyway, behind the standard library.
    """
    ours = [str(folder) for folder in (*folders, PACKAGE_FOLDER) if folder not in _installed_folders()]
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return os.pathsep.join(dict.fromkeys([*ours, *named]))


def _installed_folders() -> set[Path]:
    return {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}


def close_all() -> None:
    """End every child of this process."""
    for child in list(_LIVING):
        child.close()
