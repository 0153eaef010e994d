"""The child's side: opens a session, does what it is asked for line by line, and never outlives its parent.

Requests come as JSON lines on stdin: first the arguments of the session, then one call each. Replies go as JSON lines
to what was stdout: phases as they begin, and what came out. Anything else that is printed goes to stderr.
"""

import faulthandler
import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

from drystep.measure.failure import DETAIL_CHARACTERS, describe, kind_of

NotePhase = Callable[[str], None]


class Session(Protocol):
    """What a child does its work with; its methods take and return what JSON can carry."""

    def so_far(self) -> dict[str, Any]:
        """What is known when a call has failed."""


Opener = Callable[..., Session]
"""Takes the arguments of the session and, as `note_phase`, whom to tell what it is doing."""


class Replies:
    """Lines to the parent."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def send(self, **fields: Any) -> None:
        """One line."""
        self.file.write(json.dumps(fields).encode() + b"\n")
        self.file.flush()

    def note_phase(self, phase: str) -> None:
        """Say what begins."""
        self.send(phase=phase)


def main() -> None:
    """Serve one session until the parent closes stdin, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which decides
    faulthandler.enable()
    replies = Replies(_take_stdout())
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    session: Session | None = None
    try:
        session = _resolve(sys.argv[1])(**requests.get(), note_phase=replies.note_phase)
        replies.send(done=None)
        while True:
            request = requests.get()
            replies.send(done=getattr(session, request["call"])(**request["arguments"]))
    except BaseException as error:  # also SystemExit of the code that is measured
        failed: dict[str, Any] = {"kind": kind_of(error), "message": describe(error), "detail": _traceback(error)}
        failed["so_far"] = _so_far(session)
        replies.send(failed=failed)


def _take_stdout() -> BinaryIO:
    """A private copy of stdout; the public one leads to stderr from now on."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


def _read_requests(requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    os._exit(0)  # the parent is done or dead, whatever is being measured here


def _resolve(opener: str) -> Opener:
    module, _, name = opener.partition(":")
    return getattr(importlib.import_module(module), name)


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[-DETAIL_CHARACTERS:].strip()
    except Exception:  # an error's own methods may fail in any way
        return ""


def _so_far(session: Session | None) -> dict[str, Any]:
    if session is not None:
        with suppress(Exception):  # a broken CUDA context answers nothing
            return json.loads(json.dumps(session.so_far()))
    return {}


if __name__ == "__main__":
    main()
