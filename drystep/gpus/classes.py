"""GPU classes: how much memory a card leaves for tensors, and how fast it is."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drystep.errors import choose
from drystep.gpus.peaks import PEAK_FIELDS, Peaks, read_peaks
from drystep.units import MIB

MEMORY_FIELDS = ("label", "visible_mib", "context_mib", "source")
OWN_CLASSES = Path(__file__).with_name("gpus.toml")


@dataclass(frozen=True)
class Gpu:
    """One class of cards."""

    name: str
    """Name on the command line."""
    label: str
    """Name in tables."""
    visible_mib: int
    """Memory the driver shows."""
    context_mib: int
    """CUDA context and loaded kernels, outside PyTorch's allocator."""
    source: str = ""
    """Where the memory's numbers come from."""
    peaks: Peaks = field(default_factory=Peaks)
    """What it can do at most; needed for step times alone."""

    @property
    def usable_bytes(self) -> int:
        """What PyTorch's allocator can reserve."""
        return (self.visible_mib - self.context_mib) * MIB


def read_gpus(path: Path = OWN_CLASSES) -> dict[str, Gpu]:
    """Read classes from a TOML file with one table per card. Raises `ValueError` naming the bad field."""
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"cannot read GPU classes from {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    if not tables:
        raise ValueError(f"{path} names no GPU: write one table per card, such as [my-card] with visible_mib = 8192")
    return {name: _gpu(path, name, table) for name, table in tables.items()}


def _gpu(path: Path, name: str, table: Any) -> Gpu:
    where = f"{path.name} [{name}]"
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} must be a table with visible_mib and context_mib")
    if "visible_mib" not in table:
        raise ValueError(f"{where} has no capacity: give visible_mib, the MiB that the driver shows")
    unknown = sorted(set(table) - {*MEMORY_FIELDS, *PEAK_FIELDS})
    if unknown:
        raise ValueError(
            f"{where} has unknown fields {', '.join(unknown)}: use {', '.join((*MEMORY_FIELDS, *PEAK_FIELDS))}"
        )
    values: dict[str, Any] = {"context_mib": 512, "label": name, "source": ""}
    values |= {key: value for key, value in table.items() if key in MEMORY_FIELDS}
    for key in ("visible_mib", "context_mib"):
        value = values[key]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{where} {key} must be a whole number of MiB, not {value!r}")
    for key in ("label", "source"):
        if not isinstance(values[key], str):
            raise ValueError(f"{where} {key} must be text, not {values[key]!r}")
    gpu = Gpu(name=name, peaks=read_peaks(where, table), **values)
    if gpu.usable_bytes <= 0:
        raise ValueError(f"{where} leaves nothing for tensors: visible_mib must exceed context_mib ({gpu.context_mib})")
    return gpu


def select_gpus(names: Sequence[str] = (), extra_files: Sequence[Path] = ()) -> list[Gpu]:
    """The named classes, or all when no name is given; `extra_files` add classes to our own."""
    known = read_gpus()
    for path in extra_files:
        known |= read_gpus(path)
    return [known[choose("GPU", name, known)] for name in names] if names else list(known.values())
