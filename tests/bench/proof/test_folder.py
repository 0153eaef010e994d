"""What was found out is on disk at once, is read back, and stays below 16 MiB a file."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import Result
from bench.proof import folder as folder_module
from bench.proof.folder import CUT, Folder, Note, result_of_line, within
from bench.results.store import read_results
from tests.bench.proof.fake_card import tiny
from tests.bench.results.full_line import FULLEST

RESULT = Result(tiny("full"), "ok", {"device": "a card"}, memory={"peak_allocated_bytes": 5})


def test_what_is_added_is_there_again(tmp_path: Path) -> None:
    first = Folder(tmp_path / "new" / "card")
    simulated = replace(RESULT, case=replace(RESULT.case, engine="simulate"))
    later = replace(RESULT, message="later")
    for result in (RESULT, simulated, later):
        first.add_result(result)
    note = Note("tests", "left out", "why", 1.5, {"a": [1]})
    first.add_note(note)
    second = Folder(tmp_path / "new" / "card")
    for each in (first, second):
        assert each.measured == {RESULT.case: later}
        assert each.simulated == {simulated.case: simulated}
        assert each.notes == {"tests": note}
    assert read_results(first.path / "results.jsonl").results == [later, simulated]


def test_the_fullest_line_is_read_as_others_read_it() -> None:
    assert result_of_line(FULLEST.to_json()) == Result.from_json(FULLEST.to_json()) == FULLEST


def test_lines_that_are_none_are_counted_and_left(tmp_path: Path) -> None:
    Folder(tmp_path).add_result(RESULT)
    file = tmp_path / "results.jsonl"
    bad = [b"\xff", b"[1]", b'{"schema": 2}', b'{"schema": 1, "case": {}}', b'{"schema": 1, "ca']
    file.write_bytes(file.read_bytes() + b"\n".join(bad))
    again = Folder(tmp_path)
    assert list(again.measured) == [RESULT.case]
    assert again.unreadable == len(bad)


@pytest.mark.parametrize("name", ["results.jsonl", "items.jsonl"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello\n")
    with pytest.raises(ValueError, match="holds something else than"):
        Folder(tmp_path)
    assert (tmp_path / name).read_text() == "hello\n"


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write to the folder .*file"):
        Folder(tmp_path / "file")


def test_no_file_grows_beyond_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MOST_BYTES", 3000)
    folder = Folder(tmp_path)
    failed = replace(RESULT, status="error", failure={"kind": "exception", "phase": "build", "detail": "x" * 4000})
    folder.add_result(failed)
    assert json.loads((tmp_path / "results.jsonl").read_text())["failure"]["detail"] == ""
    for seed in range(9):
        folder.add_result(replace(RESULT, case=replace(RESULT.case, seed=seed + 1)))
    folder.add_note(Note("a", "ok", "m" * 2900))
    assert folder.add_requests("first", list(range(1, 500)))
    assert not folder.add_requests("second", [n * n * 7919 % 10007 for n in range(1, 3000)])
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert max(sizes.values()) <= 3000
    assert sizes["results.jsonl"] > 1000
    assert folder.full[-2:] == ["a", "requests of second"]
    assert set(folder.full[:-2]) < {case.title for case in folder.measured}
    assert len(folder.measured) == 10  # what is not stored still counts in this run
    with gzip.open(tmp_path / "requests.jsonl.gz") as file:
        assert [json.loads(line)["item"] for line in file] == ["first"]


def test_requests_are_one_file_in_parts(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for name in ("a", "b"):
        assert folder.add_requests(name, [512, -1])
    with gzip.open(tmp_path / "requests.jsonl.gz") as file:
        assert [json.loads(line) for line in file] == [{"item": name, "requests": [512, -1]} for name in ("a", "b")]


def test_a_text_is_cut_at_a_line_and_says_so() -> None:
    text = "one\ntwo\n\u00e9\u00e9\u00e9\nfour\n"
    assert within(text) == text
    most = len(CUT) + 10  # the sentence and its end of line leave 9 bytes: "one", "two", and one more
    assert within("first line\n" * 20, most) == CUT + "\n"
    assert within("one\ntwo\nthree\n" * 20, most) == f"one\ntwo\n{CUT}\n"
    assert within("\u00e9\n\u00e9\u00e9\u00e9\u00e9\u00e9\n" * 20, most) == f"\u00e9\n{CUT}\n"
