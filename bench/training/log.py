"""The log of a training: one JSON line for each logged step, and TensorBoard's files on request."""

import json
from pathlib import Path
from typing import Any

from bench.training.names import TENSORBOARD
from drystep.errors import OutputError
from drystep.files.whole import write_whole


class TrainingLog:
    """Appends to a run's log. Lines of steps that a resumed training repeats are dropped first."""

    def __init__(self, path: Path, done: int, tensorboard: bool = False) -> None:
        self.path = path
        kept = [line for line in read_log(path) if line["step"] < done]
        self._guard(lambda: write_whole(path, "".join(json.dumps(line) + "\n" for line in kept)))
        self.board: Any = _writer(path.parent / TENSORBOARD, done) if tensorboard else None

    def add(self, line: dict[str, Any]) -> None:
        """Add the line of one step. Raises `OutputError` if it cannot be written."""

        def append() -> None:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")

        self._guard(append)
        if self.board is not None:
            for name in ("loss", "learning_rate", "step_ms"):
                self.board.add_scalar(name, line[name], line["step"])
            for name, loss in line["losses"].items():
                self.board.add_scalar(f"losses/{name}", loss, line["step"])

    def close(self) -> None:
        """Write what TensorBoard's writer still holds."""
        if self.board is not None:
            self.board.close()

    def _guard(self, write: Any) -> None:
        try:
            write()
        except OSError as error:
            raise OutputError(f"cannot write the log {self.path}: {error.strerror or error}") from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log. One that a killed process left unfinished is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [line for line in lines if isinstance(line, dict) and "step" in line]


def _writer(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
    return SummaryWriter(folder, purge_step=done)
