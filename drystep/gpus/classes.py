"""GPU classes: how much memory a card leaves for tensors, and how fast it is."""

import functools
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drystep.bounds import require_whole
from drystep.files.rewrite import rewrite
from drystep.gpus.names import classes_named
from drystep.gpus.peaks import PEAK_FIELDS, Peaks, read_peaks
from drystep.units import MIB

MEMORY_FIELDS = (
    "label", "visible_mib", "context_mib", "eager_context_mib", "source", "context_source", "compute_capability",
    "on_request",
)  # fmt: skip
EAGER_CONTEXT_MIB = 1000
"""Context of a stack that loads all kernels at once, on a card whose own is not known: more than 1000 MB, as a
maintainer of PyTorch says (pytorch#107667)."""
CAPABILITY = re.compile(r"(\d{1,2}\.\d)?")
NAME = re.compile(r"[A-Za-z0-9._-]+")
MOST_MIB = 2**24
"""16 TiB, more than any card has: a larger number is in another unit."""
OWN_CLASSES = Path(__file__).with_name("cards")
"""Folder of our own classes; its `README.md` says what the fields mean."""


@dataclass(frozen=True)
class Gpu:
    """One class of cards."""

    name: str
    """Name on the command line."""
    label: str
    """Name in tables."""
    visible_mib: int
    """Memory that PyTorch shows (`total_memory` of `torch.cuda.get_device_properties`)."""
    context_mib: int
    """CUDA context and loaded kernels, outside PyTorch's allocator, where kernels are loaded as they are needed."""
    eager_context_mib: int | None = None
    """The same where CUDA loads all kernels at once, before PyTorch 1.13; None where it is not known."""
    source: str = ""
    """Where the memory that PyTorch shows comes from."""
    context_source: str = ""
    """Where the contexts come from."""
    compute_capability: str = ""
    """Version of the architecture, as "8.6"; "" where it is not known."""
    on_request: bool = False
    """Whether it is left out where no class is named."""
    peaks: Peaks = field(default_factory=Peaks)
    """What it can do at most; needed for step times alone."""

    @property
    def usable_bytes(self) -> int:
        """What PyTorch's allocator can reserve."""
        return (self.visible_mib - self.context_mib) * MIB

    @property
    def usable_with_eager_kernels_bytes(self) -> int:
        """What it can reserve before PyTorch 1.13.

        An eager context that is not known is taken as `EAGER_CONTEXT_MIB`, and as half of a card that has less than
        twice as much.
        """
        context_mib = self.eager_context_mib
        if context_mib is None:
            context_mib = max(self.context_mib, min(EAGER_CONTEXT_MIB, self.visible_mib // 2))
        return (self.visible_mib - context_mib) * MIB


def read_gpus(path: Path | None = None) -> dict[str, Gpu]:
    """Read classes from a TOML file with one table per card, or our own, by memory and name.

    Raises `ValueError` naming the bad field.
    """
    if path is None:
        return dict(_own())
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read GPU classes from {path}: {error.strerror}") from error
    return _parse(path, content)


@functools.cache
def _own() -> dict[str, Gpu]:
    found: dict[str, Gpu] = {}
    for path in sorted(OWN_CLASSES.glob("*.toml")):
        found |= _parse(path, path.read_bytes())
    return {gpu.name: gpu for gpu in by_memory(found.values())}


def by_memory(gpus: Iterable[Gpu]) -> list[Gpu]:
    """Classes in the order of listings: by the memory that PyTorch shows, then by name."""
    return sorted(gpus, key=lambda gpu: (gpu.visible_mib, gpu.name))


def require_new_gpu(path: Path, name: str) -> None:
    """Raise `ValueError` if a class could not be added to a file: it has the name, or is no file of classes."""
    if path.exists() and not path.is_file():
        raise ValueError(f"cannot add a GPU class to {path}: it is not a file")
    if path.exists() and path.stat().st_size:
        _require_new(path, name, read_gpus(path))


def add_gpu(path: Path, name: str, block: str) -> None:
    """Add a class to a file, which is as it was after any error.

    `block` is the class as TOML. Raises `ValueError` for a file that has the name or is no file of classes, and
    `OSError`.
    """

    def added(before: bytes) -> str:
        if before:
            _require_new(path, name, _parse(path, before))
        after = "\n\n".join(filter(None, [before.decode().rstrip(), block]))
        _parse(path, after.encode())  # it is read before it replaces what was good
        return after

    rewrite(path, added)


def require_name(name: str) -> None:
    """Raise `ValueError` for a name that no command line could take as it is."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a GPU class: a name has letters (A to Z), digits, dots, dashes and underscores alone"
        )


def class_name(label: str) -> str:
    """The name of a class for a card's own name: "nvidia-h100-80gb-hbm3" for "NVIDIA H100 80GB HBM3"."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "card"


def toml_text(text: str) -> str:
    """Any text as a string of TOML, on one line of characters that print."""
    storable = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
    quoted = json.dumps(storable, ensure_ascii=False)  # TOML has JSON's escapes, and one for each character
    return "".join(each if each.isprintable() else f"\\U{ord(each):08X}" for each in quoted)


def _require_new(path: Path, name: str, known: Mapping[str, Gpu]) -> None:
    if name in known:
        raise ValueError(f"{path} has a class {name} already: choose another --name")


def _parse(path: Path, content: bytes) -> dict[str, Gpu]:
    """The classes of a file's content; errors name the file."""
    try:
        tables = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of a number with too many digits
        raise ValueError(f"{path} is not TOML: {error}") from error
    if not tables:
        raise ValueError(f"{path} names no GPU: write one table per card, such as [my-card] with visible_mib = 8192")
    return {name: _gpu(path, name, table) for name, table in tables.items()}


def _gpu(path: Path, name: str, table: Any) -> Gpu:
    where = f"{path.name} [{name}]"
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} must be a table with visible_mib and context_mib")
    if "visible_mib" not in table:
        raise ValueError(f"{where} has no capacity: give visible_mib, the MiB that PyTorch shows (total_memory)")
    unknown = sorted(set(table) - {*MEMORY_FIELDS, *PEAK_FIELDS})
    if unknown:
        raise ValueError(
            f"{where} has unknown fields {', '.join(unknown)}: use {', '.join((*MEMORY_FIELDS, *PEAK_FIELDS))}"
        )
    values: dict[str, Any] = {"context_mib": 512, "label": name, "source": ""}
    values |= {key: value for key, value in table.items() if key in MEMORY_FIELDS}
    for key in ("visible_mib", "context_mib", "eager_context_mib"):
        if key in values:
            require_whole(f"{where} {key}", values[key], 0, MOST_MIB, "MiB")
    for key in ("label", "source", "context_source", "compute_capability"):
        if not isinstance(values.get(key, ""), str):
            raise ValueError(f"{where} {key} must be text, not {values[key]!r}")
    if not isinstance(values.get("on_request", False), bool):
        raise ValueError(f"{where} on_request must be true or false, not {values['on_request']!r}")
    if not CAPABILITY.fullmatch(values.get("compute_capability", "")):
        raise ValueError(f'{where} compute_capability must be like "8.6", not {values["compute_capability"]!r}')
    gpu = Gpu(name=name, peaks=read_peaks(where, table), **values)
    if min(gpu.usable_bytes, gpu.usable_with_eager_kernels_bytes) <= 0:
        context_mib = max(gpu.context_mib, gpu.eager_context_mib or 0)
        raise ValueError(f"{where} leaves nothing for tensors: visible_mib must exceed the context ({context_mib} MiB)")
    return gpu


def known_gpus(extra_files: Iterable[Path] = ()) -> dict[str, Gpu]:
    """Our own classes by name, and those of further files, which may replace ours. Raises `ValueError`."""
    known = read_gpus()
    for path in extra_files:
        known |= read_gpus(path)
    return known


def select_gpus(names: Sequence[str] = (), extra_files: Sequence[Path] = ()) -> list[Gpu]:
    """The named classes, each once, or all but those on request when no name is given.

    A name may be a group: `all`, `24gb` for all classes with 24 GB, `a100` for each memory of a card; the classes of a
    group are in the order of memory. `extra_files` add classes to our own. Raises `ValueError` for a name that means
    none.
    """
    known = known_gpus(extra_files)
    if not names:
        return [gpu for gpu in known.values() if not gpu.on_request]
    listed = [gpu.name for gpu in by_memory(known.values())]
    return [known[each] for each in dict.fromkeys(each for name in names for each in classes_named(name, listed))]


def select_gpu(name: str, extra_files: Sequence[Path] = ()) -> Gpu:
    """The one class that a name means. Raises `ValueError` for a name that means none, or several."""
    found = select_gpus([name], extra_files)
    if len(found) > 1:
        raise ValueError(f"GPU {name!r} means {len(found)} classes: choose from {', '.join(gpu.name for gpu in found)}")
    return found[0]
