"""Outputs and figures that the documents show are those of today's code and of the sample report."""

import csv
import shlex
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.commands.terminal import stdout
from tests.documents.snippets import ROOT, lines_of_commands, snippets, text_of

SAMPLE = ROOT / "docs" / "sample-report"
NAMES = {"E3VA, plain modules (the paper's)": "E3VA"}
"""What the README calls a method of the tables."""


def _rows(table: str, name: str = "Method") -> dict[str, dict[str, str]]:
    with (SAMPLE / table).open(newline="") as file:
        return {row[name]: row for row in csv.DictReader(file)}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _share(change: str) -> str:
    """What is left of Full, of a change in percent; "–" for none."""
    return f"{100 + float(change):.1f}" if change else "–"


def test_the_readme_has_the_figures_of_the_sample_report() -> None:
    memory, times = _rows("table-1.csv"), _rows("table-3-predicted-voc-swin-large.csv")
    _, _, table = text_of("README.md").partition("| VOC, Swin-L RetinaNet, 2 x 608 x 1024, fp32 | trained")
    shown = [_cells(line) for line in table.split("\n\n")[0].splitlines()[2:]]
    assert len(shown) == 10
    for name, *figures in shown[1:]:  # Full is 100 % of itself
        counted, timed = memory[NAMES.get(name, name)], times[NAMES.get(name, name)]
        ours, paper = counted["VOC MiB: vs Full %"], counted["VOC MiB: vs Full %, paper"]
        predicted, published = timed["v100-32gb ms: % of Full"], timed["v100-32gb ms: paper % of Full"] or "–"
        expected = [counted["params M"], f"{_share(ours)} / {_share(paper)}", f"{predicted} / {published}"]
        assert figures == expected, name


def test_the_readme_has_the_forms_of_the_sample_report() -> None:
    forms, times = _rows("table-forms-of-the-highway.csv", "Form"), _rows("table-3-predicted-voc-swin-large.csv")
    lines = text_of("README.md").splitlines()
    (memory,) = (_cells(line)[1:] for line in lines if line.startswith("| memory above the frozen model"))
    (shares,) = (_cells(line)[1:] for line in lines if line.startswith("| step, % of Full"))
    names = ("E3VA, reference", "E3VA, fused", "E3VA, recompute")
    assert memory == [f"{forms[name]['above Fixed']} MiB" for name in names]
    rows = ("E3VA", "E3VA, fused (ours)", "E3VA, recompute (ours)")
    assert shares == [times[name]["v100-32gb ms: % of Full"] for name in rows]


def test_the_readme_has_the_errors_of_the_sample_report() -> None:
    """`drystep validate` prints the same."""
    steps = _rows("table-how-far-to-trust-it-on-other-people-s-steps.csv", "Steps")["all rows"]
    with (SAMPLE / "table-how-far-to-trust-predicted-times-of-vision-models.csv").open(newline="") as file:
        times = {(row["Card"], row["mode"], row["layout"]): row for row in csv.DictReader(file)}
    text = text_of("README.md")
    assert f"median error {steps['median error %']} %, largest {float(steps['largest error %']):.1f} %" in text
    assert f"{steps['verdicts right'].split()[0]} right" in text
    for card, steps_of_card in (("rtx-3090-24gb", "722"), ("h200-141gb", "114")):
        row = times[card, "train", "all"]
        assert row["steps"] == steps_of_card
        said = f"mean error {row['mean']} %, median {row['median']} %, 90th percentile {row['90th percentile']} %"
        assert said in text


@pytest.mark.nightly
@pytest.mark.parametrize(("document", "start"), [("README.md", "drystep fit"), ("docs/memory.md", "drystep compare")])
def test_the_output_is_what_the_command_prints(
    document: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At full size, on a terminal of 80 columns. The text may leave lines out at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stdout, "_width", 80)
    command = next(line for line in lines_of_commands(document) if line.startswith(start))
    (shown,) = (snippet.text for snippet in snippets(document) if snippet.language == "text")
    assert main(shlex.split(command)[1:]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed[: len(shown.splitlines())] == shown.splitlines()
