import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drystep import simulate
from drystep.alloc_conf import ALLOCATOR_VARIABLES, INTERVALS, AllocatorSettings

MIB = 1 << 20
GIB = 1 << 30
DEFAULTS = AllocatorSettings()
KNOWN = "known are backend, expandable_segments, garbage_collection_threshold"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", DEFAULTS),
        (" \t", DEFAULTS),
        ("backend:native", DEFAULTS),
        ("per_process_memory_fraction:1.0", DEFAULTS),
        ("expandable_segments:True", AllocatorSettings(expandable_segments=True)),
        ("expandable_segments:True,", AllocatorSettings(expandable_segments=True)),
        ("expandable_segments:True,expandable_segments:False", DEFAULTS),  # the last one counts
        ("max_split_size_mb:20", AllocatorSettings(max_split_bytes=20 * MIB)),  # kLargeBuffer, the least
        (
            " max_split_size_mb : 128 , garbage_collection_threshold:.8",
            AllocatorSettings(max_split_bytes=128 * MIB, garbage_collection_threshold=0.8),
        ),
        ("max_non_split_rounding_mb:30", AllocatorSettings(max_non_split_rounding_bytes=30 * MIB)),
        # large_segment_size_mb is the least value of max_split_size_mb, and is read first wherever it stands.
        (
            "max_split_size_mb:15,large_segment_size_mb:11",
            AllocatorSettings(max_split_bytes=15 * MIB, large_segment_bytes=11 * MIB),
        ),
        ("roundup_power2_divisions:4", AllocatorSettings(roundup_power2_divisions=(4,) * INTERVALS)),
        # 256 MiB is 2^8 MiB: interval 8. The first key counts for the intervals before it, too.
        (
            "roundup_power2_divisions:[256:1,512:2,1024:4,>:8]",
            AllocatorSettings(roundup_power2_divisions=(*[1] * 9, 2, 4, *[8] * 5)),
        ),
        ("roundup_power2_divisions:[256:2,]", AllocatorSettings(roundup_power2_divisions=(*[2] * 9, *[0] * 7))),
        ("roundup_power2_divisions:[>:8]", AllocatorSettings(roundup_power2_divisions=(0, *[8] * 15))),
        ("roundup_power2_divisions:[65536:2]", AllocatorSettings(roundup_power2_divisions=(2,) * INTERVALS)),
        (
            "pinned_num_register_threads:8,pinned_use_background_threads:True",
            AllocatorSettings(without_effect=("pinned_num_register_threads", "pinned_use_background_threads")),
        ),
    ],
)
def test_texts(text: str, settings: AllocatorSettings) -> None:
    assert AllocatorSettings.parse(text) == settings


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("expandable_segments:maybe", "allocator setting expandable_segments must be True or False, not 'maybe'"),
        ("expandable_segments:true", "must be True or False, not 'true'"),
        ("expandable_segments:True:False", "must be True or False, not 'True:False'"),
        ("expandable_segments", "allocator setting expandable_segments has no value: write expandable_segments:VALUE"),
        ("expandable_segments:", "has no value"),
        ("expandable_segments=True", f"unknown allocator setting 'expandable_segments=True'; {KNOWN}"),
        ("max_split_size_mb:5", "allocator setting max_split_size_mb must be 20 or more, not 5"),
        ("max_split_size_mb:30,large_segment_size_mb:40", "max_split_size_mb must be 40 or more, not 30"),
        ("max_split_size_mb:21.5", "must have whole numbers, not '21.5'"),
        ("max_split_size_mb:-1", "must have whole numbers, not '-1'"),
        ("max_split_size_mb:" + "9" * 5000, "must be 18446744073709551615 or less, not 999"),
        ("max_non_split_rounding_mb:19", "must be 20 or more, not 19"),
        ("large_segment_size_mb:10", "allocator setting large_segment_size_mb must be 11 or more, not 10"),
        ("garbage_collection_threshold:2", "garbage_collection_threshold must lie between 0 and 1, not '2'"),
        ("garbage_collection_threshold:0", "must lie between 0 and 1, not '0'"),
        ("garbage_collection_threshold:nan", "must lie between 0 and 1, not 'nan'"),
        ("garbage_collection_threshold:0.8x", "must lie between 0 and 1, not '0.8x'"),
        ("roundup_power2_divisions:3", "allocator setting roundup_power2_divisions must have powers of two, not 3"),
        ("roundup_power2_divisions:0", "must be 1 or more, not 0"),
        ("roundup_power2_divisions:[100:1]", "must have powers of two, not 100"),
        ("roundup_power2_divisions:[256:1,512:2", r"must be like 4 or \[256:1,512:2,>:8\], not '\[256:1'"),
        ("roundup_power2_divisions:[256]", "must be like 4 or"),
        ("backend:cudaMallocAsync", "backend:cudaMallocAsync cannot be simulated, since CUDA's driver allocates there"),
        ("backend:mine", "allocator setting backend must be native, not 'mine'"),
        ("per_process_memory_fraction:0.5", "must be 1 in a simulation: state a limit as capacity_bytes instead"),
        ("pinned_num_register_threads:256", "must be 128 or less, not 256"),
        ("pinned_reserve_segment_size_mb:0", "must be 1 or more, not 0"),
        ("release_lock_on_cudamalloc:1", "must be True or False, not '1'"),
        ("max_split_sise_mb:30", f"unknown allocator setting 'max_split_sise_mb'; {KNOWN}"),
        ("nonsense " * 100, "unknown allocator setting 'nonsensenonsense"),
        (",", "',' is not a list of allocator settings: write NAME:VALUE,NAME:VALUE"),
        ("expandable_segments:True,,max_split_size_mb:30", "is not a list of allocator settings"),
        (":True", "is not a list of allocator settings"),
    ],
)
def test_bad_texts_are_refused_in_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        AllocatorSettings.parse(text)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_divisions_by_size() -> None:
    settings = AllocatorSettings.parse("roundup_power2_divisions:[1:2,2:4,>:8]")
    sizes = (1, MIB - 1, MIB, 2 * MIB - 1, 2 * MIB, 4 * MIB - 1, 4 * MIB, 32 * GIB, 500 * GIB)
    assert [settings.divisions(size) for size in sizes] == [2, 2, 2, 2, 4, 4, 8, 8, 8]


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch reads the older variable first (`CUDAAllocatorConfig::instance`), even if it is empty."""
    for name in ALLOCATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert AllocatorSettings.from_environment() == DEFAULTS
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "max_split_size_mb:30")
    assert AllocatorSettings.from_environment().max_split_bytes == 30 * MIB
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:40")
    assert AllocatorSettings.from_environment().max_split_bytes == 40 * MIB
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "")
    assert AllocatorSettings.from_environment() == DEFAULTS
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "x:1")
    with pytest.raises(ValueError, match="^PYTORCH_CUDA_ALLOC_CONF: unknown allocator setting 'x'"):
        AllocatorSettings.from_environment()


def test_what_has_no_effect_is_said() -> None:
    settings = AllocatorSettings.parse("release_lock_on_cudamalloc:True,garbage_collection_threshold:0.5")
    said, collecting = settings.remarks()
    assert said == "allocator setting release_lock_on_cudamalloc changes nothing that is simulated"
    assert "acts only where the allowed memory is limited" in collecting
    assert DEFAULTS.remarks() == AllocatorSettings(expandable_segments=True).remarks() == []


def _step(device: torch.device):
    layer = torch.nn.Linear(64, 64).to(device)
    return lambda: layer(torch.empty(8, 64, device=device)).sum().backward()


@pytest.mark.parametrize("name", ALLOCATOR_VARIABLES)
def test_simulations_follow_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = simulate(_step)
    monkeypatch.setenv(name, "expandable_segments:True,roundup_power2_divisions:1")
    followed = simulate(_step)
    assert followed.warnings == ()
    assert followed.allocator_settings.expandable_segments
    # The cuBLAS workspace of 8.1 MiB or more is alone in the large pool: a page has the size of its segment.
    assert followed.peak_reserved_bytes == plain.peak_reserved_bytes
    monkeypatch.setenv(name, "expandable_segments:True,large_segment_size_mb:100")
    assert simulate(_step).peak_reserved_bytes > plain.peak_reserved_bytes
    monkeypatch.setenv(name, "pinned_use_background_threads:True")
    (warning,) = simulate(_step).warnings
    assert warning == "allocator setting pinned_use_background_threads changes nothing that is simulated"
    monkeypatch.setenv(name, "x:1")
    with pytest.raises(ValueError, match=f"{name}: unknown allocator setting 'x'"):
        simulate(_step)


NAMES = (
    "backend", "expandable_segments", "garbage_collection_threshold", "large_segment_size_mb", "max_split_size_mb",
    "max_non_split_rounding_mb", "roundup_power2_divisions", "pinned_num_register_threads", "unknown", "",
)  # fmt: skip
POWERS = st.integers(0, 17).map(lambda exponent: 1 << exponent)
LISTS = st.lists(
    st.tuples(st.one_of(POWERS, st.just(">"), st.integers()), st.one_of(POWERS, st.integers())), max_size=4
)
VALUES = st.one_of(
    st.sampled_from(["True", "False", "native", "[", "]", "[]", "", "1e-3"]),
    st.integers(0, 200).map(str),
    st.integers().map(str),
    st.floats(0, 1).map(str),
    LISTS.map(lambda pairs: f"[{','.join(f'{key}:{value}' for key, value in pairs)}]"),
    st.text(),
)
TEXTS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4).map(
    lambda items: ",".join(f"{name}:{value}" for name, value in items)
)
DIVISIONS = st.lists(st.tuples(st.one_of(POWERS, st.just(">")), st.one_of(POWERS, st.just(0))), max_size=5).map(
    lambda pairs: f"roundup_power2_divisions:[{','.join(f'{key}:{value}' for key, value in pairs)}]"
)
SIZE_NAMES = st.sampled_from(["large_segment_size_mb", "max_split_size_mb", "max_non_split_rounding_mb"])
SENSIBLE = st.lists(
    st.one_of(
        DIVISIONS,
        POWERS.map(lambda power: f"roundup_power2_divisions: {power}"),
        st.tuples(SIZE_NAMES, st.integers(8, 40)).map(lambda item: f"{item[0]}:{item[1]}"),
        st.floats(0, 1.1).map(lambda share: f"garbage_collection_threshold:{share}"),
        st.sampled_from(["expandable_segments:True", "backend:native", "pinned_use_background_threads:False"]),
    ),
    max_size=4,
).map(",".join)


@given(st.one_of(TEXTS, SENSIBLE, st.text(), st.text(alphabet=":,[]>0123456789 ")))
def test_every_text_is_read_or_refused(text: str) -> None:
    try:
        settings = AllocatorSettings.parse(text)
    except ValueError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert AllocatorSettings.parse(str(settings)) == AllocatorSettings(
            **{**vars(settings), "without_effect": ()}
        )  # the text of settings says all of them that have an effect


@pytest.fixture
def pytorchs_settings() -> Iterator[ctypes.CDLL]:
    """PyTorch's own parser, which the CPU build has, too; its defaults are put back."""
    yield ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    torch._C._accelerator_setAllocatorSettings("large_segment_size_mb:20,expandable_segments:False")


@pytest.mark.skipif(not torch.__version__.startswith("2.11."), reason="the rules are those of PyTorch 2.11")
def test_pytorch_reads_the_same(pytorchs_settings: ctypes.CDLL) -> None:
    """What is accepted here is accepted by PyTorch, with the same numbers of divisions."""
    divisions = pytorchs_settings._ZN3c1016CachingAllocator26AcceleratorAllocatorConfig24roundup_power2_divisionsEm
    divisions.argtypes, divisions.restype = [ctypes.c_size_t], ctypes.c_size_t
    accepted = 0

    @given(st.one_of(SENSIBLE, TEXTS))
    def compare(text: str) -> None:
        nonlocal accepted
        try:
            settings = AllocatorSettings.parse(text)
        except ValueError:
            return
        accepted += 1
        torch._C._accelerator_setAllocatorSettings("large_segment_size_mb:20,expandable_segments:False")
        torch._C._accelerator_setAllocatorSettings(text)
        for exponent in range(41):
            for size in (1 << exponent, (2 << exponent) - 1):
                assert divisions(size) == settings.divisions(size), (text, size)

    compare()
    assert accepted > 20
