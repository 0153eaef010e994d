"""The table of typical factors: the longest beginning of a group's name counts."""

from pathlib import Path

import pytest

from drystep.time.calibrated import typical
from drystep.time.calibrated.resources import Key
from drystep.time.calibrated.typical import FILE, typical_factor

TABLE = """group,resource,factor
,bytes,1.5
,operations,2.5
copy,bytes,3
copy.permuted,bytes,4
copy.permuted.nhwc,bytes,5
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "typical.csv").write_text(TABLE)
    monkeypatch.setattr(typical, "FILE", tmp_path / "typical.csv")
    monkeypatch.setattr(typical, "_rows", typical._rows.__wrapped__)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("key", "factor"),
    [
        (("copy", "bytes"), 3),
        (("copy.cast", "bytes"), 3),
        (("copy.permuted", "bytes"), 4),
        (("copy.permuted.nchw", "bytes"), 4),
        (("copy.permuted.nhwc", "bytes"), 5),
        (("copy.permuted.nhwc.half", "bytes"), 5),
        (("copy.permuted", "operations"), 2.5),
        (("copying", "bytes"), 1.5),  # names begin by whole parts
        (("new", "bytes"), 1.5),
        (("", "bytes"), 1.5),
    ],
)
def test_the_longest_beginning_counts(key: Key, factor: float) -> None:
    assert typical_factor(key) == factor


@pytest.mark.usefixtures("table")
def test_a_resource_without_a_row_for_all_groups() -> None:
    with pytest.raises(ValueError, match=r"typical\.csv has no row for items of all groups"):
        typical_factor(("copy", "items"))


def test_ours_has_each_group_once_and_all_resources_of_unknown_groups() -> None:
    rows = [line.rsplit(",", 1) for line in FILE.read_text().splitlines()[1:]]
    names = [name for name, _ in rows]
    assert len(set(names)) == len(names)
    assert all(0 < float(factor) < 1e6 for _, factor in rows)
    for resource in ("bytes", "operations", "items"):
        assert typical_factor(("a group of another package", resource)) > 0
