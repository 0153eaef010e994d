from pathlib import Path

import pytest

from drystep.gpus.classes import read_gpus, select_gpus
from drystep.gpus.peaks import Peaks
from drystep.time.measured_operators import measured_cards


def test_our_classes_have_peaks_with_a_source_and_operators() -> None:
    for gpu in select_gpus():
        assert gpu.peaks.fp32_tflops
        assert gpu.peaks.bandwidth_gbs
        assert gpu.peaks.multiprocessors
        assert gpu.peaks.peaks_source
        assert gpu.peaks.operators in measured_cards()


def test_our_classes_have_links_with_a_source() -> None:
    """Nominal: 8 and 16 GT/s on 16 lanes, of 130 bits for 16 bytes."""
    for gpu in select_gpus():
        gts = {"pcie3": 8, "pcie4": 16, "pcie5": 32}[gpu.peaks.link]
        assert gpu.peaks.link_gbs == pytest.approx(gts * 16 / 8 * 128 / 130, rel=1e-3)
        assert "nominal" in gpu.peaks.link_source


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
        ('link = "pcie6"\nlink_gbs = 126', r"unknown link of bad.toml \[card\] 'pcie6': choose from pcie3, .*, nvlink"),
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
