"""Settings of PyTorch's caching allocator, as `PYTORCH_CUDA_ALLOC_CONF` states them.

Names, values and defaults are those of `AcceleratorAllocatorConfig` (c10/core/AllocatorConfig.cpp) and
`CUDAAllocatorConfig` (c10/cuda/CUDAAllocatorConfig.cpp) of PyTorch 2.11. Values that PyTorch reads only in part, such
as the 21 of "21.5" and the 0.8 of "0.8x", are refused here.
"""

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

ALLOCATOR_VARIABLES = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
"""Variables with allocator settings. PyTorch reads the first one that is set, even if it is empty."""
INTERVALS = 16
"""kRoundUpPowerOfTwoIntervals: sizes below 2 MiB, from 2 to 4 MiB, and so on; the last one is from 32 GiB on."""
MIB = 1 << 20
LEAST_SEGMENT_MB = 11
"""`large_segment_size_mb` must be larger than kMinLargeAlloc, which is 10 MiB."""
MOST_REGISTER_THREADS = 128
READABLE_CHARACTERS = 60
"""What an error shows of a text."""


@dataclass(frozen=True)
class AllocatorSettings:
    """How the caching allocator is configured. The defaults are PyTorch's."""

    expandable_segments: bool = False
    """Whether segments grow by pages of physical memory, instead of having the size that cudaMalloc gave them."""
    max_split_bytes: int | None = None
    """Size from which on requests get blocks that are not split, and smaller requests get none of these blocks; None
    splits blocks of every size."""
    max_non_split_rounding_bytes: int | None = None
    """A request of `max_split_bytes` or more takes only a cached block that is less than this larger than itself; None
    means `large_segment_bytes`."""
    garbage_collection_threshold: float = 0.0
    """Share of the allowed memory above which cached blocks that were not used for long go back to the driver; 0 never
    collects. PyTorch collects only if `torch.cuda.set_per_process_memory_fraction` set what is allowed."""
    roundup_power2_divisions: tuple[int, ...] = (0,) * INTERVALS
    """For each of `INTERVALS`, the number of steps between two powers of two to which a request is rounded up; 0 and 1
    round up to a multiple of 512 bytes."""
    large_segment_bytes: int = 20 * MIB
    """Size of the segments for requests from 1 to 10 MiB, and of the pages of large expandable segments."""
    without_effect: tuple[str, ...] = ()
    """Settings that were stated but change nothing in a simulation, such as those of pinned memory."""

    @classmethod
    def parse(cls, text: str) -> "AllocatorSettings":
        """Read "name:value,name:[key:value,...]". Of a name that is there twice, the last value counts, as in PyTorch.

        Raises `ValueError` with one sentence that names what is wrong and the choices.
        """
        settings = cls()
        # PyTorch reads large_segment_size_mb first, because it is the least value of other settings.
        for name, value in sorted(_items(text), key=lambda item: item[0] != "large_segment_size_mb"):
            if name not in _READERS:
                raise ValueError(f"unknown allocator setting {_quoted(name)}; known are {', '.join(_READERS)}")
            if not value:
                raise ValueError(f"allocator setting {name} has no value: write {name}:VALUE")
            settings = _READERS[name](settings, name, value)
        return settings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "AllocatorSettings":
        """Read the variable of the environment that PyTorch reads. Raises `ValueError` that names the variable."""
        for variable in ALLOCATOR_VARIABLES:
            if variable in environment:
                try:
                    return cls.parse(environment[variable])
                except ValueError as error:
                    raise ValueError(f"{variable}: {error}") from error
        return cls()

    def __str__(self) -> str:
        """The settings that differ from the defaults, in the form that `parse` reads."""
        stated = {
            "expandable_segments": str(self.expandable_segments) if self.expandable_segments else "",
            "large_segment_size_mb": _mib(self.large_segment_bytes) if self.large_segment_bytes != 20 * MIB else "",
            "max_split_size_mb": _mib(self.max_split_bytes),
            "max_non_split_rounding_mb": _mib(self.max_non_split_rounding_bytes),
            "garbage_collection_threshold": f"{self.garbage_collection_threshold or ''}",
            "roundup_power2_divisions": _divisions_text(self.roundup_power2_divisions),
        }
        return ",".join(f"{name}:{value}" for name, value in stated.items() if value)

    @property
    def most_rounding_bytes(self) -> int:
        """`max_non_split_rounding_bytes`, or its default."""
        return self.max_non_split_rounding_bytes or self.large_segment_bytes

    def divisions(self, size_bytes: int) -> int:
        """The number of steps between powers of two at this size (`roundup_power2_divisions`)."""
        interval = size_bytes.bit_length() - MIB.bit_length()
        return self.roundup_power2_divisions[min(max(interval, 0), INTERVALS - 1)]

    def remarks(self) -> list[str]:
        """A sentence for each setting that was accepted although a simulation does not show what it does."""
        remarks = [f"allocator setting {name} changes nothing that is simulated" for name in self.without_effect]
        if self.garbage_collection_threshold:
            remarks.append(
                "allocator setting garbage_collection_threshold acts only where the allowed memory is limited "
                "(capacity_bytes; torch.cuda.set_per_process_memory_fraction in PyTorch), not on whole cards"
            )
        return remarks


_Reader = Callable[[AllocatorSettings, str, str], AllocatorSettings]


def _items(text: str) -> Iterator[tuple[str, str]]:
    """Names and values. White space is ignored wherever it is, and so is a comma at the end (`ConfigTokenizer`)."""
    packed = re.sub(r"[ \t\n\v\f\r]", "", text)
    for item in re.split(r",(?![^\[\]]*\])", packed.removesuffix(",")) if packed else ():  # commas outside brackets
        name, _, value = item.partition(":")
        if not name:
            raise ValueError(f"{_quoted(text)} is not a list of allocator settings: write NAME:VALUE,NAME:VALUE")
        yield name, value


def _flag(name: str, value: str) -> bool:
    if value not in ("True", "False"):
        raise ValueError(f"allocator setting {name} must be True or False, not {_quoted(value)}")
    return value == "True"


def _number(name: str, value: str, least: int, most: int = (1 << 64) - 1) -> int:
    if not re.fullmatch("[0-9]+", value):
        raise ValueError(f"allocator setting {name} must have whole numbers, not {_quoted(value)}")
    digits = value.lstrip("0") or "0"
    if len(digits) > 20 or int(digits) > most:
        raise ValueError(f"allocator setting {name} must be {most} or less, not {_cut(value)}")
    if int(digits) < least:
        raise ValueError(f"allocator setting {name} must be {least} or more, not {_cut(value)}")
    return int(digits)


def _power_of_2(name: str, value: str, least: int = 1, most: int = (1 << 64) - 1) -> int:
    number = _number(name, value, least, most)
    if number & (number - 1):
        raise ValueError(f"allocator setting {name} must have powers of two, not {value}")
    return number


def _expandable(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    return replace(settings, expandable_segments=_flag(name, value))


def _large_segment(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    return replace(settings, large_segment_bytes=_number(name, value, LEAST_SEGMENT_MB) * MIB)


def _max_split(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    return replace(settings, max_split_bytes=_number(name, value, settings.large_segment_bytes // MIB) * MIB)


def _max_rounding(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    least_mb = settings.large_segment_bytes // MIB
    return replace(settings, max_non_split_rounding_bytes=_number(name, value, least_mb) * MIB)


def _garbage_collection(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    number = re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", value)
    if number is None or not sys.float_info.min <= float(value) < 1:  # std::stod takes no less
        raise ValueError(f"allocator setting {name} must lie between 0 and 1, not {_quoted(value)}")
    return replace(settings, garbage_collection_threshold=float(value))


def _roundup(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    """Read one number, or a list as `parseRoundUpPower2Divisions` does: its first key counts for smaller sizes, too."""
    if not set(value) & set("[]:"):
        return replace(settings, roundup_power2_divisions=(_power_of_2(name, value),) * INTERVALS)
    if re.fullmatch(r"\[(([^\[\]:,]+:[^\[\]:,]+)(,[^\[\]:,]+:[^\[\]:,]+)*,?)?\]", value) is None:
        raise ValueError(f"allocator setting {name} must be like 4 or [256:1,512:2,>:8], not {_quoted(value)}")
    divisions, last, first = list(settings.roundup_power2_divisions), 0, True
    for key, _, text in (item.partition(":") for item in value[1:-1].split(",") if item):
        count = _power_of_2(name, text, least=0)
        if key == ">":
            divisions[last + 1 :] = [count] * (INTERVALS - last - 1)
            continue
        last = min(_power_of_2(name, key).bit_length() - 1, INTERVALS - 1)
        divisions[: last if first else 0] = [count] * (last if first else 0)
        divisions[last], first = count, False
    return replace(settings, roundup_power2_divisions=tuple(divisions))


def _backend(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    if value == "cudaMallocAsync":
        raise ValueError(
            f"{name}:{value} cannot be simulated, since CUDA's driver allocates there; write {name}:native"
        )
    if value != "native":
        raise ValueError(f"allocator setting {name} must be native, not {_quoted(value)}")
    return settings


def _fraction(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
    if re.fullmatch(r"1(\.0*)?", value) is None:
        raise ValueError(f"allocator setting {name} must be 1 in a simulation: state a limit as capacity_bytes instead")
    return settings


def _without_effect(check: Callable[[str, str], int]) -> _Reader:
    """A reader of a setting that changes nothing that is simulated; its value is checked all the same."""

    def read(settings: AllocatorSettings, name: str, value: str) -> AllocatorSettings:
        check(name, value)
        return replace(settings, without_effect=tuple(dict.fromkeys((*settings.without_effect, name))))

    return read


def _mib(size_bytes: int | None) -> str:
    return "" if size_bytes is None else str(size_bytes // MIB)


def _divisions_text(divisions: tuple[int, ...]) -> str:
    """The shortest text that is read as these divisions."""
    if len(set(divisions)) == 1:
        return str(divisions[0] or "")
    first = next(at for at in range(INTERVALS) if divisions[at + 1] != divisions[0])
    rest = next(at for at in reversed(range(INTERVALS)) if divisions[at - 1] != divisions[-1])
    return f"[{''.join(f'{1 << at}:{divisions[at]},' for at in range(first, rest))}>:{divisions[-1]}]"


def _quoted(text: str) -> str:
    return repr(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= READABLE_CHARACTERS else f"{text[:READABLE_CHARACTERS]}..."


_READERS: Mapping[str, _Reader] = {
    "backend": _backend,
    "expandable_segments": _expandable,
    "garbage_collection_threshold": _garbage_collection,
    "graph_capture_record_stream_reuse": _without_effect(_flag),
    "large_segment_size_mb": _large_segment,
    "max_non_split_rounding_mb": _max_rounding,
    "max_split_size_mb": _max_split,
    "per_process_memory_fraction": _fraction,
    "pinned_num_register_threads": _without_effect(functools.partial(_power_of_2, most=MOST_REGISTER_THREADS)),
    "pinned_reserve_segment_size_mb": _without_effect(functools.partial(_number, least=1)),
    "pinned_use_background_threads": _without_effect(_flag),
    "pinned_use_cuda_host_register": _without_effect(_flag),
    "pinned_use_hip_host_register": _without_effect(_flag),
    "release_lock_on_cudamalloc": _without_effect(_flag),
    "release_lock_on_hipmalloc": _without_effect(_flag),
    "roundup_power2_divisions": _roundup,
}
