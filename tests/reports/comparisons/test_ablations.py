import pytest

from bench.cases.further_grids import ablation_grid
from bench.cases.methods import METHODS
from reports.comparisons.ablations import ABLATIONS, ablation_tables
from reports.records import frame_of

MIB = {"e3va-reference": 4000, "e3va-stacked": 4390, "e3va-frozen-norms": 3610}


def _exactly(ratio: float) -> dict[str, float]:
    """A ratio without noise."""
    return dict.fromkeys(("median", "low", "high"), ratio)


@pytest.fixture
def variants(record):
    """On VOC they take 100 MiB less than they reserve; stacked, half again as long as E3VA."""
    lines = []
    for method, mib in MIB.items():
        params = 1_700_000 if method == "e3va-reference" else 1_800_000
        lines.append(record("voc", "swin_large", method, reserved_mib=mib, params=1))
        lines.append(record("ade20k", "swin_large", method, reserved_mib=mib - 900, params=params))
    for method, ratio, inference_ms in (("e3va-reference", 0.4, 50.0), ("e3va-stacked", 0.6, 100.0)):
        timed = record("voc", "swin_tiny", method, step_ms=1000 * ratio)
        timed["time"] |= {
            "inference_ms": {"median": inference_ms},
            "relative_to": {"ratio": _exactly(ratio), "inference_ratio": _exactly(inference_ms / 40)},
        }
        lines.append(timed)
    return lines


def test_each_variant_stands_beside_e3va_and_the_paper(variants) -> None:
    structure, reduction = ablation_tables(frame_of(variants))
    cells = structure.cells.set_index("E3VA")
    ours = ["1.80", "4 290", "+10.0", "3 390", "+13.0", "600 (599-601)", "+50.0", "20.0", "-50.0"]
    assert cells.loc["stacked"].tolist() == [*ours, "–", "8.2", "–", "85.9"]
    assert cells.loc["standard adapter"].tolist() == ["–"] * 9 + ["2.35", "–", "–", "85.4"]
    base = cells.loc["dual low-rank, parallel (E3VA)"].tolist()
    assert base[-4:] == ["1.79", "–", "–", "86.5"]
    assert [base[column] for column in (2, 4, 6, 8)] == ["+0.0"] * 4
    cells = reduction.cells.set_index("E3VA")
    assert cells.loc["frozen norms"].tolist()[:5] == ["1.80", "3 510", "-10.0", "2 610", "-13.0"]
    assert cells.loc["trained reduction"].tolist()[-6:] == ["–", "51.7", "–", "49.97", "–", "86.7"]


def test_variants_that_noise_does_not_tell_apart(variants) -> None:
    """Between 0.3 and 0.6 of Full, beside E3VA's 0.4 of it."""
    variants[-1]["time"]["relative_to"]["ratio"] = {"median": 0.5, "low": 0.3, "high": 0.6}
    structure, _ = ablation_tables(frame_of(variants))
    assert structure.cells.set_index("E3VA").loc["stacked"].iloc[6] == "≈ +0 (-25 to +50)"
    assert "the order of the two is not known" in structure.caption


def test_predicted_times_stand_before_those_of_a_cpu(variants) -> None:
    for line, step_ms in zip(variants[:3:2], (200.0, 300.0), strict=True):
        line["predicted_time"] = {"v100-32gb": {"step_ms": step_ms}}
    structure, _ = ablation_tables(frame_of(variants))
    headings = [heading for heading, _ in structure.columns]
    assert headings[6:9] == ["v100-32gb ms, predicted", "% of E3VA", "VOC CPU step ms (p10-p90)"]
    assert structure.cells.set_index("E3VA").loc["stacked"].iloc[5:7].tolist() == ["300", "150.0"]


def test_nothing_is_shown_without_something_to_compare(variants, records) -> None:
    base = [line for line in variants if line["case"]["method"] == "e3va-reference"]
    others = [line for line in variants if line["case"]["method"] != "e3va-reference"]
    for lines in (base, others, records, []):
        assert ablation_tables(frame_of(lines)) == []


def test_rows_are_methods_that_the_grid_measures() -> None:
    shown = {variant.variant for ablation in ABLATIONS for variant in ablation.variants}
    measured = [METHODS[case.method] for case in ablation_grid() if case.method != "full"]
    assert {method.variant for method in measured} == shown
    assert {(method.base, method.form) for method in measured} == {("e3va", "reference")}
