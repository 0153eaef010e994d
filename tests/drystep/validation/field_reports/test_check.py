"""Published figures beside simulations of small steps whose memory is plain arithmetic."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drystep.cuda.rules import VERSIONS
from drystep.validation.field_reports.check import ReportCheck, check_report, class_named
from drystep.validation.field_reports.rows import Report, read_reports
from tests.drystep.validation.field_reports.test_rows import table

MIB = 1 << 20
ARGS = {"args": "(64, 'x')", "ddp": "no", "unit": "MiB"}


def make(mebibytes: int, name: str):
    """A parameter of some MiB, and SGD."""

    def build_step(device: torch.device):
        weight = torch.nn.Parameter(torch.empty(mebibytes << 18, device=device))
        optimizer = torch.optim.SGD([weight], 0.1)

        def step() -> None:
            optimizer.zero_grad()
            (weight * 2).sum().backward()
            optimizer.step()

        return step

    return build_step


def row(folder: Path, **changed: str) -> Report:
    (report,) = read_reports(table(folder, **ARGS | changed))
    return report


def test_a_figure_beside_what_was_published(tmp_path: Path) -> None:
    check = check_report(row(tmp_path, measured="200"), make)
    # Before 2.0 the gradient stays; beside it and the parameter is the product, or the gradient that is added: 3 x 64.
    assert check.predicted_bytes == pytest.approx(3 * 64 * MIB, rel=1e-3)
    assert check.error_percent == pytest.approx(-4, abs=0.1)
    assert check.within_rounding is False and check.judged is None
    assert (check.least_bytes, check.most_bytes) == (check.predicted_bytes, check.predicted_bytes)  # no convolutions
    assert check.family == "make"


def test_the_rules_are_those_of_the_card(tmp_path: Path) -> None:
    assert check_report(row(tmp_path, measured="200"), make).rules == "PyTorch 1.12, on v100-32gb"
    unknown = check_report(row(tmp_path, measured="200", card="not stated"), make)
    assert (unknown.rules, unknown.usable_bytes) == ("PyTorch 1.12", None)
    assert unknown.error_percent == pytest.approx(-4, abs=0.1)


def test_what_stays_after_a_step(tmp_path: Path) -> None:
    check = check_report(row(tmp_path, quantity="allocated_after_step", measured="128"), make)
    assert check.within_rounding  # parameter and gradient
    assert (check.within_interval, check.accelerate_bytes) == (None, None)


@pytest.mark.parametrize(
    ("mebibytes", "measured", "judged"), [(64, "fits", "right"), (64, "oom", "wrong"), (40_000, "oom", "right")]
)
def test_verdicts(tmp_path: Path, mebibytes: int, measured: str, judged: str) -> None:
    report = row(tmp_path, quantity="verdict", args=f"({mebibytes}, 'x')", measured=measured, unit="-")
    check = check_report(report, make)
    assert check.judged == judged
    assert check.error_percent is None and check.within_rounding is None


def test_a_verdict_that_the_algorithms_decide_is_undecided(tmp_path: Path) -> None:
    check = check_report(row(tmp_path, quantity="verdict", measured="fits", unit="-"), make)
    assert replace(check, predicted_verdict="depends").judged == "undecided"
    assert replace(check, predicted_verdict="fits_with_retries").judged == "right"


def test_a_verdict_needs_a_known_card(tmp_path: Path) -> None:
    report = row(tmp_path, quantity="verdict", measured="fits", unit="-", card="L40S")
    with pytest.raises(ValueError, match="its verdict needs a card of a known class, not 'L40S': choose from .*v100"):
        check_report(report, make)


@pytest.mark.parametrize(("measured", "inside"), [("192", True), ("250", True), ("251", False), ("191", False)])
def test_a_figure_inside_the_interval(tmp_path: Path, measured: str, inside: bool) -> None:
    check = check_report(row(tmp_path, measured=measured, cudnn_benchmark="yes"), make)
    assert check.by_trial
    check = replace(check, least_bytes=192 * MIB, most_bytes=250 * MIB)
    assert check.within_interval is inside


def test_a_rounded_figure_at_the_edge_of_the_interval() -> None:
    """2.1 GiB stands for 2.05 to 2.15 GiB."""
    check = ReportCheck(
        "a", "make", "peak_allocated", "", "fp32", 2150 * MIB, 2150 * MIB, 2150 * MIB, round(2.1 * 1024) * MIB,
        round(0.05 * 1024) * MIB, False, "", "", None, None, None, "", 0.0,
    )  # fmt: skip
    assert check.within_rounding and check.within_interval  # 2150 = 2.0996 x 1024
    assert replace(check, predicted_bytes=2220 * MIB).within_rounding is False


def test_steps_that_cannot_be_rebuilt(tmp_path: Path) -> None:
    def fails(*_: object) -> None:
        raise KeyError("no such model\nof many lines")

    with pytest.raises(ValueError, match=r"^make\(64, 'x'\) raised KeyError: 'no such model"):
        check_report(row(tmp_path, measured="200"), fails)
    with pytest.raises(ValueError, match=r"must return build_step\(device\), not None"):
        check_report(row(tmp_path, measured="200"), lambda *_: None)


def test_names_of_cards_as_people_write_them() -> None:
    names = {
        "V100-32GB": "v100-32gb", "RTX 3090": "rtx-3090-24gb", "NVIDIA GeForce RTX 3090": "rtx-3090-24gb",
        "Tesla P100 16GB": "p100-16gb", "RTX": None, "not stated": None, "": None,
    }  # fmt: skip
    assert {name: getattr(class_named(name), "name", None) for name in names} == names


def test_a_name_that_leaves_the_memory_open(monkeypatch: pytest.MonkeyPatch) -> None:
    v100 = class_named("V100-32GB")
    small = replace(v100, name="v100-16gb")
    monkeypatch.setattr("drystep.validation.field_reports.check.select_gpus", lambda: [small, v100])
    assert [class_named(name) for name in ("V100", "V100-16GB", "V100-32GB")] == [None, small, v100]


def test_versions_are_those_of_the_rules(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"unknown version of PyTorch '9.9': choose from {', '.join(VERSIONS[:3])}"):
        row(tmp_path, torch="9.9", measured="1")
