import json
from pathlib import Path
from typing import Any

import pytest

from bench.training.evaluation.accuracy_files import KEPT_FILE, gather, keep, read_kept, require_writable

RUN = {
    "task": "voc",
    "method": "e3va-stacked",
    "backbone": "swin_nano",
    "seed": 3,
    "made_up": True,
    "metrics": {"AP50": 0.5},
}


def _run(folder: Path, name: str, content: Any) -> Path:
    path = folder / name / "accuracy.json"
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return path


def test_evaluations_are_kept_with_what_is_known_of_their_methods(tmp_path: Path) -> None:
    _run(tmp_path / "runs", "b", {**RUN, "method": "mine"})
    _run(tmp_path / "runs", "a", RUN)
    (tmp_path / "runs" / "unfinished").mkdir()
    found, remarks = gather(tmp_path / "runs")
    assert remarks == []
    keep(tmp_path, found)
    kept, remarks = read_kept(tmp_path)
    assert remarks == []
    stacked, mine = kept
    assert {**RUN, "kind": "bench evaluation"}.items() <= stacked.items()
    assert (stacked["base"], stacked["form"], stacked["variant"]) == ("e3va", "reference", "stacked")
    assert (mine["label"], mine["base"], mine["form"], mine["variant"]) == ("mine", "mine", "", "")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "[" * 99_999, {**RUN, "seed": "0"}, {**RUN, "made_up": None}, {**RUN, "task": ["voc"]}, {}],
)
def test_what_is_no_evaluation_is_said_and_left_out(tmp_path: Path, content: Any) -> None:
    _run(tmp_path, "good", RUN)
    bad = _run(tmp_path, "bad", content)
    found, remarks = gather(tmp_path)
    assert [line["seed"] for line in found] == [3]
    assert remarks == [f"{bad} is not an evaluation that `bench evaluate` wrote and is left out"]


def test_a_folder_without_evaluations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nosuch is not a folder: --runs names the folder"):
        gather(tmp_path / "nosuch")
    with pytest.raises(ValueError, match="no run in .* has an evaluation: `bench evaluate` writes accuracy.json"):
        gather(tmp_path)


def test_other_peoples_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEPT_FILE).write_text("mine\n")
    with pytest.raises(ValueError, match="holds something else than lines of a bench evaluation"):
        require_writable(tmp_path)
    assert read_kept(tmp_path) == (
        [],
        [f"{tmp_path / KEPT_FILE}: 1 of 1 lines are not a bench evaluation and are left out"],
    )
