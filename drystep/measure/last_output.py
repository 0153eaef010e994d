"""The end of what a process writes, however much that is."""

import threading
from typing import BinaryIO

KEPT_BYTES = 1 << 16
CHUNK_BYTES = 1 << 16
JOIN_TIMEOUT_S = 1.0


class LastOutput:
    """Reads a stream to its end in a thread of its own, so that its writer never waits, and keeps the last 64 KiB."""

    def __init__(self, stream: BinaryIO) -> None:
        self._kept = b""
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What is kept; waits a second at most for a stream that is about to end."""
        self._thread.join(JOIN_TIMEOUT_S)
        return self._kept.decode(errors="replace")

    def _read(self) -> None:
        with self._stream:
            while chunk := self._stream.read1(CHUNK_BYTES):  # type: ignore[attr-defined]  # buffered streams have it
                self._kept = (self._kept + chunk)[-KEPT_BYTES:]
