"""What a card can do at most: operations per precision, and bytes from its memory and to its neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from drystep.bounds import is_finite, shown
from drystep.errors import choose

LINKS = ("pcie3", "pcie4", "pcie5", "nvlink")
"""Kinds of links between the cards of one machine."""
LIKELY = {
    "_tflops": (0.01, 10_000.0, "10^12 operations a second"),
    "_gbs": (1.0, 100_000.0, "10^9 bytes a second"),
    "_us": (0.1, 10_000.0, "microseconds"),
}
"""Suffix of a field -> least and most that any card has, and the unit. What lies outside is in another unit."""
MOST_MULTIPROCESSORS = 10_000


@dataclass(frozen=True)
class Peaks:
    """Peaks of one class of cards; None where they are not known, or where the card has no such unit."""

    fp32_tflops: float | None = None
    """Single precision, dense."""
    tf32_tflops: float | None = None
    """Single precision on tensor cores, which PyTorch takes for convolutions by default."""
    fp16_tflops: float | None = None
    """Half precision with sums in single precision, on the units that matrix products run on."""
    bf16_tflops: float | None = None
    bandwidth_gbs: float | None = None
    """To and from the card's memory."""
    multiprocessors: int | None = None
    """Streaming multiprocessors, each of which runs blocks of threads."""
    launch_us: float | None = None
    """Time from one operator's launch to the next on the host that was measured; None where none was."""
    factors: str = ""
    """Card whose calibration (`drystep/time/calibrated/cards/`) says how much longer than the peaks its kernels take;
    "" for none."""
    operators: str = ""
    """Card whose measured operators (`drystep/ground_truth/README.md`) say how much of the peaks is achieved."""
    scaled: bool = True
    """Whether that is another card, or one of the same family."""
    peaks_source: str = ""
    """Where the peaks come from."""
    link: str = ""
    """How the card reaches its neighbours in one machine, one of `LINKS`; "" where that is not known."""
    link_gbs: float | None = None
    """Nominal bandwidth of that link in each direction, of all its lanes or bridges together."""
    link_source: str = ""
    """Where the link comes from."""

    @property
    def lacks_bfloat16(self) -> bool:
        """Whether the card is known to have no bfloat16 units."""
        return self.fp32_tflops is not None and self.bf16_tflops is None

    def need(self, name: str, card: str) -> float:
        """One of the peaks. Raises `ValueError` that names the field if it is not known."""
        value = getattr(self, name)
        if value is None:
            purpose = NEEDED_FOR.get(name, "a step time")
            raise ValueError(f"{card} has no {name}: {purpose} needs it{NO_UNIT.get(name, '')}")
        return float(value)


NEEDED_FOR = {"link_gbs": "the exchange of gradients between cards"}
NO_UNIT = {"bf16_tflops": " (cards before Ampere have no bfloat16 units: take another precision)"}
TEXTS = ("factors", "operators", "peaks_source", "link", "link_source")
PEAK_FIELDS = tuple(field.name for field in fields(Peaks))


def read_peaks(where: str, table: Mapping[str, Any]) -> Peaks:
    """The fields of a card's TOML table that are peaks. Raises `ValueError` naming a bad one."""
    values = {name: table[name] for name in PEAK_FIELDS if name in table}
    for name, value in values.items():
        suffix = next((suffix for suffix in LIKELY if name.endswith(suffix)), None)
        if suffix is not None:
            _check(f"{where} {name}", value, *LIKELY[suffix])
        elif name == "multiprocessors" and not (type(value) is int and 1 <= value <= MOST_MULTIPROCESSORS):
            raise ValueError(f"{where} multiprocessors must be 1 to {MOST_MULTIPROCESSORS}, not {shown(value)}")
        elif name == "scaled" and not isinstance(value, bool):
            raise ValueError(f"{where} {name} must be true or false, not {value!r}")
        elif name in TEXTS and not isinstance(value, str):
            raise ValueError(f"{where} {name} must be text, not {value!r}")
    peaks = Peaks(**values)
    if bool(peaks.link) != (peaks.link_gbs is not None):
        raise ValueError(f"{where} must have both link and link_gbs, or neither")
    if peaks.link:
        choose(f"link of {where}", peaks.link, LINKS)
    return peaks


def _check(name: str, value: Any, least: float, most: float, unit: str) -> None:
    if not is_finite(value) or value <= 0:
        raise ValueError(f"{name} must be a positive number of {unit}, not {shown(value)}")
    if not least <= value <= most:
        raise ValueError(f"{name} is in {unit}: {shown(value)} cannot be, cards have {least:g} to {most:g}")
