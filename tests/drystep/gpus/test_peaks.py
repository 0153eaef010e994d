import re
from pathlib import Path

import pytest

from drystep.gpus.classes import Gpu, read_gpus
from drystep.gpus.peaks import Peaks
from drystep.time.measured_operators import measured_cards

CLASSES = read_gpus().values()
LANES_GTS = {"pcie3": 8, "pcie4": 16, "pcie5": 32}
PCIE = {6: "pcie3", 7: "pcie3", 8: "pcie4", 9: "pcie5", 12: "pcie5"}
"""Major version of the compute capability -> generation of PCI Express (data sheets)."""
NVLINK_GBS = {"8.0": 300, "9.0": 450, "10.0": 900}
"""Compute capability -> bandwidth of all NVLinks of a card in one direction (data sheets of A100, H100 and B200)."""
LANES = {"6.0": 64, "7.0": 64, "7.5": 64, "8.0": 64}
"""Compute capability -> float32 units of a multiprocessor, 128 for others (CUDA C++ Programming Guide, arithmetic)."""


UNITS = re.compile(r"(\d+) multiprocessors x (\d+) units x 2 operations x ([\d.]+) GHz")
MEMORY = re.compile(r"(\d+) bits x ([\d.]+) Gbit/s")
CHECKED = re.compile(r"checked: .*\w/\w")
TENSOR_FACTORS = {
    8: ("titan-rtx-24gb", "quadro-rtx-8000-48gb", "t4-16gb", "v100-16gb", "v100-32gb"),
    16: ("a30-24gb", "a100-40gb", "a100-80gb"),
    4: ("a4000-16gb", "a5000-24gb", "a6000-48gb", "a40-48gb", "l4-24gb", "l40s-48gb", "rtx-6000-ada-48gb",
        "rtx-pro-6000-96gb"),
    2: ("a10g-24gb",),
    1: ("p100-16gb", "gtx-1080ti-11gb"),
}  # fmt: skip
"""Half-precision operations with float32 sums, over float32 operations, of a multiprocessor in one clock -> classes
(NVIDIA's whitepapers of Volta to RTX Blackwell; GeForce cards are in a test of their own).
The H100 and the B200 run tensor cores at another clock than the float32 units."""


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_our_classes_have_peaks_with_a_source_and_operators(gpu: Gpu) -> None:
    peaks = gpu.peaks
    assert peaks.fp32_tflops and peaks.fp16_tflops and peaks.bandwidth_gbs and peaks.multiprocessors
    assert peaks.peaks_source
    assert peaks.operators in measured_cards()
    clock_ghz = peaks.fp32_tflops * 1e3 / (peaks.multiprocessors * LANES.get(gpu.compute_capability, 128) * 2)
    assert 1.2 < clock_ghz < 2.7


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_peaks_agree_with_each_other(gpu: Gpu) -> None:
    peaks = gpu.peaks
    assert peaks.fp32_tflops and peaks.fp16_tflops
    assert peaks.fp16_tflops >= (peaks.tf32_tflops or 0) >= (peaks.fp32_tflops if peaks.tf32_tflops else 0)
    assert peaks.fp16_tflops >= peaks.fp32_tflops
    assert peaks.bf16_tflops in (None, peaks.fp16_tflops)
    assert peaks.tf32_tflops is None or peaks.fp16_tflops / peaks.tf32_tflops == pytest.approx(2, rel=0.02)
    if (
        gpu.name.startswith("rtx-") and "6000" not in gpu.name
    ):  # tensor cores of GeForce cards halve it for float32 sums
        times = 4 if gpu.compute_capability == "7.5" else 2
        assert peaks.fp16_tflops / peaks.fp32_tflops == pytest.approx(times, rel=0.01)


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_a_source_says_where_the_peaks_were_seen_or_that_they_are_nominal(gpu: Gpu) -> None:
    assert CHECKED.search(gpu.peaks.peaks_source) or "nominal" in gpu.peaks.peaks_source


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_the_float32_rate_follows_from_units_and_clock(gpu: Gpu) -> None:
    peaks = gpu.peaks
    stated = UNITS.search(peaks.peaks_source)
    assert stated
    assert int(stated[1]) == peaks.multiprocessors
    assert int(stated[2]) == LANES.get(gpu.compute_capability, 128)
    assert int(stated[1]) * int(stated[2]) * 2 * float(stated[3]) / 1e3 == pytest.approx(peaks.fp32_tflops, rel=0.01)


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_the_bandwidth_follows_from_the_width_and_rate_of_the_memory(gpu: Gpu) -> None:
    stated = MEMORY.search(gpu.peaks.peaks_source)
    if gpu.name == "h200-141gb":  # data sheets round 4.8 TB/s, and no page states the width that the driver reports
        assert stated is None
        return
    assert stated
    assert int(stated[1]) / 8 * float(stated[2]) == pytest.approx(gpu.peaks.bandwidth_gbs, rel=0.011)


@pytest.mark.parametrize(("factor", "names"), TENSOR_FACTORS.items())
def test_tensor_cores_are_a_multiple_of_the_float32_units(factor: int, names: tuple[str, ...]) -> None:
    cards = read_gpus()
    for name in names:
        peaks = cards[name].peaks
        assert peaks.fp16_tflops and peaks.fp32_tflops
        assert peaks.fp16_tflops / peaks.fp32_tflops == pytest.approx(factor, rel=0.015), name
    unlisted = {gpu.name for gpu in CLASSES} - {name for names in TENSOR_FACTORS.values() for name in names}
    assert {name.split("-")[0] for name in unlisted} == {"rtx", "h100", "h200", "gh200", "b200"}


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_our_classes_have_links_with_a_source(gpu: Gpu) -> None:
    """Nominal: 8 to 32 GT/s on 16 or 8 lanes, of 130 bits for 16 bytes."""
    peaks = gpu.peaks
    assert "nominal" in peaks.link_source
    if peaks.link == "nvlink":
        assert peaks.link_gbs == NVLINK_GBS[gpu.compute_capability]
    else:
        lanes = 8 if " 8 lanes" in peaks.link_source else 16
        assert peaks.link_gbs == pytest.approx(LANES_GTS[peaks.link] * lanes / 8 * 128 / 130, rel=1e-3)
        assert peaks.link == PCIE[int(float(gpu.compute_capability))]


def test_only_measured_cards_are_not_scaled() -> None:
    """NeuSight's, and the H200, whose factors are its own."""
    own = {"p100-16gb", "v100-16gb", "v100-32gb", "t4-16gb", "l4-24gb", "h100-80gb", "h200-141gb"}
    assert {gpu.name for gpu in CLASSES if not gpu.peaks.scaled} == own


def test_units_that_cards_lack() -> None:
    """bfloat16 and TF32 came with Ampere."""
    cards = read_gpus()
    since_ampere = {name for name, gpu in cards.items() if float(gpu.compute_capability) >= 8}
    assert {name for name, gpu in cards.items() if gpu.peaks.bf16_tflops} == since_ampere
    assert {name for name, gpu in cards.items() if gpu.peaks.tf32_tflops} == since_ampere


def test_a_missing_peak_is_named() -> None:
    with pytest.raises(ValueError, match="my card has no bf16_tflops: .*before Ampere have no bfloat16"):
        Peaks().need("bf16_tflops", "my card")
    with pytest.raises(ValueError, match="my card has no bandwidth_gbs: a step time needs it$"):
        Peaks().need("bandwidth_gbs", "my card")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fp32_tflops = -14", r"\[card\] fp32_tflops must be a positive number of 10\^12 operations a second, not -14"),
        ('fp32_tflops = "14 TFLOPS"', "fp32_tflops must be a positive number"),
        ("fp32_tflops = 14e12", r"fp32_tflops is in 10\^12 operations a second: 14000000000000.0 cannot be"),
        ("bandwidth_gbs = 0.9", r"bandwidth_gbs is in 10\^9 bytes a second: 0.9 cannot be, cards have 1 to 100000"),
        ("bandwidth_gbs = nan", "bandwidth_gbs must be a positive number"),
        ("bandwidth_gbs = true", "bandwidth_gbs must be a positive number"),
        ("bandwidth_gbs = -inf", "bandwidth_gbs must be a positive number"),
        (
            f"bandwidth_gbs = {'9' * 400}",
            "bandwidth_gbs must be a positive number .*, not a number of about 400 digits",
        ),
        ("bandwidth_tbs = 0.9", "unknown fields bandwidth_tbs: use .*bandwidth_gbs"),
        ('scaled = "no"', "scaled must be true or false"),
        (
            'link = "pcie6"\nlink_gbs = 126',
            r"unknown link of bad.toml \[card\] 'pcie6': .*choose from pcie3, .*, nvlink",
        ),
        ('link = "pcie4"', r"\[card\] must have both link and link_gbs, or neither"),
        ("link_gbs = 31.5", r"\[card\] must have both link and link_gbs, or neither"),
        ('link = "pcie4"\nlink_gbs = 0.5', "link_gbs is in 10.9 bytes a second: 0.5 cannot be"),
        ("link = 3", "link must be text"),
        ("operators = 3", "operators must be text"),
        ("factors = true", "factors must be text"),
        ("multiprocessors = 0", "multiprocessors must be 1 to 10000, not 0"),
        ("multiprocessors = 10496000", "multiprocessors must be 1 to 10000, not 10496000"),
        ("multiprocessors = 82.0", "multiprocessors must be 1 to 10000, not 82.0"),
        ("multiprocessors = true", "multiprocessors must be 1 to 10000, not True"),
    ],
)
def test_bad_peaks_name_the_field(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"[card]\nvisible_mib = 8000\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_gpus(path)
