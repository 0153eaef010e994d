"""A comparison, as people and programs read it."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from bench import Case, Result
from bench.commands.texts.comparison import json_lines, markdown, summary, table
from bench.results.compare import Comparison, compare
from reports.escaping import one_line
from tests.reports.hostile import HOSTILE, is_plain, tokens

CASE = Case(task="voc", method="full", engine="simulate")
HALF = replace(CASE, precision="amp-fp16")
MIB = 1 << 20


def _result(case: Case, allocated_mib: int, torch: str = "2.11.0") -> Result:
    memory = {"peak_allocated_bytes": allocated_mib * MIB, "peak_reserved_bytes": 400 * MIB}
    return Result(case=case, status="ok", environment={"torch": torch}, memory=memory)


def _comparison() -> Comparison:
    before = [_result(CASE, 100), _result(HALF, 60), _result(replace(CASE, method="fixed"), 10)]
    return compare(before, [_result(CASE, 100, "2.12.0"), _result(HALF, 90, "2.12.0")])


def test_markdown_shows_the_worst_first_and_folds_the_rest() -> None:
    title = CASE.title
    assert list(markdown(_comparison())) == [
        "**Worse.** 5 figures of 3 cases: 1 worse, 1 missing, 3 within tolerance",
        "",
        "- torch differs: 2.11.0 before, 2.12.0 after",
        "",
        "| case | figure | before | after | change | allowed | |",
        "|---|---|--:|--:|--:|--:|---|",
        f"| {title}, amp-fp16 | allocated | 60.0 MiB | 90.0 MiB | +50.00 % | 1 % | **worse** |",
        f"| {title.replace('full', 'fixed')} | case | there | missing | – | – | missing |",
        "",
        "<details><summary>3 figures within tolerance</summary>",
        "",
        "| case | figure | before | after | change | allowed | |",
        "|---|---|--:|--:|--:|--:|---|",
        f"| {title} | allocated | 100.0 MiB | 100.0 MiB | +0.00 % | 1 % |  |",
        f"| {title} | reserved | 400.0 MiB | 400.0 MiB | +0.00 % | 1 % |  |",
        f"| {title}, amp-fp16 | reserved | 400.0 MiB | 400.0 MiB | +0.00 % | 1 % |  |",
        "",
        "</details>",
    ]
    assert "<details>" not in "".join(markdown(_comparison(), only_changed=True))


def test_markdown_cannot_be_broken_by_what_it_shows() -> None:
    lines = list(markdown(compare([_result(CASE, 1, "<b>|1")], [_result(CASE, 1)])))
    assert "- torch differs: &lt;b>\\|1 before, 2.11.0 after" in lines
    assert lines[0] == "**Nothing got worse.** 2 figures of 1 cases: 2 within tolerance"


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    before = Result(
        case=CASE, status="ok", environment={"torch": text, text: "a"}, memory={"peak_allocated_bytes": MIB}
    )
    lines = list(markdown(compare([before], [_result(CASE, 1)])))
    assert is_plain("".join(lines))
    found = tokens("\n".join(line for line in lines if "details>" not in line))
    assert not {token.type for token in found} & {
        "html_block", "html_inline", "link_open", "image", "heading_open", "code_inline", "fence", "blockquote_open",
        "code_block", "hr", "s_open", "em_open",
    }  # fmt: skip
    said = "".join(token.content for token in found if token.type in ("text", "text_special"))
    assert f"torch differs: {one_line(text)}".rstrip() in said


def test_table_tells_cases_apart() -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table(_comparison().changes))
    rows = captured.get().splitlines()
    assert len(rows) == 6
    (worse,) = [row for row in rows if "worse" in row]
    assert "amp-fp16" in worse and "+50.00 %" in worse and "1 %" in worse
    assert summary(_comparison().changes).endswith("1 worse, 1 missing, 3 within tolerance")


def test_json_lines() -> None:
    environment, first, *others = map(json.loads, json_lines(_comparison()))
    assert environment == {"environment": {"torch": ["2.11.0", "2.12.0"]}}
    assert first == {
        "case": json.loads(json.dumps(CASE.as_dict())),
        "metric": "allocated",
        "before": 100 * MIB,
        "after": 100 * MIB,
        "percent": 0.0,
        "tolerance_percent": 1.0,
        "outcome": "same",
    }
    assert [line["outcome"] for line in others] == ["same", "worse", "same", "missing"]


def test_a_side_without_a_figure_is_missing_in_words_and_null_in_json() -> None:
    lost = replace(_result(CASE, 100), memory={"peak_allocated_bytes": float("nan")}, fits={"card": {"verdict": "oom"}})
    found = compare([_result(CASE, 100)], [lost])
    rows = {line.split(" | ")[1]: line.split(" | ")[2:] for line in markdown(found) if line.startswith("| voc")}
    assert rows == {
        "verdict card": ["missing", "oom", "–", "–", "new |"],
        "allocated": ["100.0 MiB", "nan MiB", "–", "1 %", "**worse** |"],
        "reserved": ["400.0 MiB", "missing", "–", "1 %", "**worse** |"],
    }
    lines = [json.loads(line, parse_constant=pytest.fail) for line in json_lines(found)]
    assert [(line["metric"], line["before"], line["after"], line["outcome"]) for line in lines] == [
        ("verdict card", None, "oom", "new"),
        ("allocated", 100 * MIB, None, "worse"),
        ("reserved", 400 * MIB, None, "worse"),
    ]
