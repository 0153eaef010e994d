"""Names of training steps: `timm:NAME`, `torchvision:NAME`, `transformers:CLASS` and `FILE.py:NAME`."""

from dataclasses import dataclass
from pathlib import Path

from drystep.errors import shortened

LIBRARIES = ("timm", "torchvision", "transformers")


@dataclass(frozen=True)
class Spec:
    """What a user names: a model of a library, or a function of a file."""

    library: str
    """One of `LIBRARIES`; "" for a file."""
    name: str
    """Model, class or function."""
    file: Path | None = None

    def __str__(self) -> str:
        return f"{self.file or self.library}:{self.name}"


def parse_spec(text: str) -> Spec:
    """Read a spec. Raises `ValueError` for another form, or for a file that is not there."""
    before, colon, name = text.partition(":")
    if before in LIBRARIES and colon:
        if not name:
            raise ValueError(f"{text!r} names no model: write {before}:NAME")
        return Spec(before, name)
    file, colon, name = text.rpartition(":")
    if not (file and colon and name):
        forms = ", ".join(f"{library}:NAME" for library in LIBRARIES)
        raise ValueError(
            f"{shortened(text)!r} is neither a model ({forms}) nor FILE.py:NAME, such as train.py:build_step"
        )
    path = Path(file)
    try:
        there = path.is_file()
    except (OSError, ValueError) as error:  # no name that a file can have
        raise ValueError(f"cannot read {shortened(file)}: {getattr(error, 'strerror', error)}") from error
    if not there:
        known = f", and no library of models ({', '.join(LIBRARIES)})" if not file.endswith(".py") else ""
        raise ValueError(f"cannot read {shortened(file)}: no such file{known}")
    if path.suffix != ".py":
        raise ValueError(f"{file} is not a Python file: its name must end in .py")
    return Spec("", name, path)
