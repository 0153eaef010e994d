"""The parent's side: start a child, ask it, stop it at its time limit, and say what it died of."""

import json
import os
import queue
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drystep.measure.failure import DETAIL_CHARACTERS, ChildError, Failure, describe_exit
from drystep.measure.family import Family
from drystep.measure.last_output import LastOutput

PACKAGE_FOLDER = Path(__file__).resolve().parents[2]
"""Folder in which drystep lies: a checkout, or one of installed packages."""
GUARD = Path(__file__).with_name("guard.py")
END_TIMEOUT_S = 2.0
"""How long to wait for the guard, which needs milliseconds unless a process is blocked in a driver."""
LONGEST_REPLY_BYTES = 1 << 26
_LIVING: "weakref.WeakSet[Child]" = weakref.WeakSet()


class Child:
    """A fresh process with one session in it: `Child("module:Class", {...})`, then `call("method", ...)`.

    `time_limit_s` bounds the time that all calls take together, the start included; `environment` changes variables of
    the process (None takes one away); `folders` are where it imports the session from, beside what is installed. Calls
    raise `ChildError` when the child raised, died or ran out of time; it is gone then, with all that it started, as it
    is when this process ends, however that happens. Neither `multiprocessing` nor a fork of this process is involved,
    so scripts and notebooks need no guard of their own.
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
        self._closing = threading.Lock()
        variables = {**os.environ, "PYTHONPATH": import_path(folders), "PYTHONSAFEPATH": "1", **(environment or {})}
        self._start(opener, {name: value for name, value in variables.items() if value is not None})
        self.replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read_replies, daemon=True).start()
        _LIVING.add(self)
        family = Family.of_this_thread()
        if family is not None:
            family.take_up(self)
        self._send(dict(arguments))

    def _start(self, opener: str, variables: Mapping[str, str]) -> None:
        command = [sys.executable, "-P", "-m", "drystep.measure.child", opener]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._lifeline: int | None = None
        if os.name == "posix":
            guarded, self._lifeline = os.pipe()
            command = [sys.executable, "-I", "-S", os.fspath(GUARD), str(guarded), *command]
            try:
                self.process = subprocess.Popen(command, env=variables, pass_fds=(guarded,), process_group=0, **streams)  # type: ignore[call-overload]
            finally:
                os.close(guarded)
        else:
            self.process = subprocess.Popen(command, env=variables, **streams)  # type: ignore[call-overload]
        self.output = LastOutput(self.process.stderr)

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
        """End the child and all that it started, whatever they are doing."""
        with self._closing:
            if self._lifeline is not None:
                os.close(self._lifeline)
                self._lifeline = None
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(END_TIMEOUT_S)
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                with suppress(OSError):  # for what it never read
                    self.process.stdin.close()

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
        except (OSError, ValueError):
            pass  # it is dead or closed: the missing reply tells

    def _read_replies(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            while line := lines.readline(LONGEST_REPLY_BYTES):
                self.replies.put(line)
        self.replies.put(b"")

    def _reply(self) -> Any:
        start = time.monotonic()
        while True:
            try:
                line = self.replies.get(timeout=self._still_s(start))
                if not line.endswith(b"\n"):  # nothing, or what it was writing when it died
                    raise self._failed(*describe_exit(self.process.wait(self._still_s(start))))
            except (queue.Empty, subprocess.TimeoutExpired):
                raise self._failed("timeout", f"stopped at its time limit of {self.time_limit_s:g} s") from None
            reply = json.loads(line)
            if "phase" in reply:
                self.phase = reply["phase"]
            elif "failed" in reply:
                raise self._failed(**reply["failed"])
            else:
                self.left_s -= time.monotonic() - start
                return reply["done"]

    def _still_s(self, start: float) -> float:
        return max(0.0, self.left_s - (time.monotonic() - start))

    def _failed(self, kind: Any, message: str, **more: Any) -> ChildError:
        self.close()
        more["detail"] = more.get("detail") or self.output.text()[-DETAIL_CHARACTERS:].strip()
        where = self.phase if self.phase in ("opening", "timing") else f"{self.phase} phase"
        self.failure = Failure(kind=kind, message=f"{message} ({where})", phase=self.phase, **more)
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
