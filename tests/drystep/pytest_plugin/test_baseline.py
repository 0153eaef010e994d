"""A baseline keeps what every test run has recorded, and nothing else is overwritten."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from drystep.pytest_plugin.baseline import Peak, read_baseline, update_baseline
from drystep.pytest_plugin.gate import Gate, MeasuredTest

TIMES = 15


def _peak(size: int = 1, device: str = "") -> Peak:
    return Peak("simulated", device, "2.11.0", size, size, {"parameters": size})


def _test(name: str, device: str = "") -> MeasuredTest:
    return MeasuredTest(name, _peak(2, device), "", "fits", False, ("a \x1b[2Jwarning\nof two lines",))


def test_peaks_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "memory.json"
    update_baseline(path, {"b": _peak(2)})
    update_baseline(path, {"a": _peak(1), "b": _peak(3)})
    assert read_baseline(path) == {"a": _peak(1), "b": _peak(3)}
    assert list(json.loads(path.read_text())["tests"]) == ["a", "b"]


def test_two_runs_at_once_keep_the_peaks_of_each_other(tmp_path: Path) -> None:
    """Both have read the file before the other writes."""
    path = tmp_path / "memory.json"
    gates = [Gate(file=path, update=True) for _ in range(2)]
    for name, gate in zip("ab", gates, strict=True):
        gate.measured[name] = _test(name)
        gate.write()
    assert set(read_baseline(path)) == {"a", "b"}


def _record(path: Path, names: list[str]) -> None:
    for name in names:
        gate = Gate(file=path, update=True)
        gate.measured[name] = _test(name)
        gate.write()


def test_processes_at_once_lose_no_peak(tmp_path: Path) -> None:
    path, link = tmp_path / "memory.json", tmp_path / "link.json"
    link.symlink_to(path)
    spawn = multiprocessing.get_context("spawn")
    halves = [[f"{letter}{number}" for number in range(TIMES)] for letter in "ab"]
    started = [spawn.Process(target=_record, args=both) for both in zip((path, link), halves, strict=True)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
        assert process.exitcode == 0
    assert set(read_baseline(path)) == {*halves[0], *halves[1]}


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"\x80binary\x00",
        b"[" * 100_000,
        b"[]",
        b'{"kind": "drystep memory baseline", "schema": 1}',
        b'{"kind": "drystep memory baseline", "schema": 1, "tests": {"a": {"how": 1}}}',
        b'{"kind": "drystep memory baseline", "sch',
    ],
)
def test_another_file_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "memory.json"
    path.write_bytes(content)
    for attempt in (lambda: Gate(file=path, update=True), lambda: update_baseline(path, {"a": _peak()})):
        with pytest.raises(ValueError, match="memory.json is not a"):
            attempt()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("how", 1),
        ("device", None),
        ("torch", []),
        ("at_peak", [1]),
        ("at_peak", {"a": "b"}),
        ("peak_reserved_bytes", 0.5),
    ],
)
def test_fields_of_another_type(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "memory.json"
    update_baseline(path, {"a": _peak()})
    content = json.loads(path.read_text())
    content["tests"]["a"][field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="memory.json is not a whole memory baseline: "):
        read_baseline(path)


def test_an_empty_file_holds_no_peaks_yet(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    path.write_text("")
    with pytest.raises(ValueError, match="no memory baseline .*: record one with --memory-baseline-update"):
        Gate(file=path)
    _record(path, ["a"])
    assert set(Gate(file=path).baseline) == {"a"}


def test_a_place_that_cannot_be_written_is_told_before_the_tests(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write the memory baseline .*file/memory.json: "):
        Gate(file=tmp_path / "file" / "memory.json", update=True)


def test_a_full_disk_leaves_the_old_peaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory.json"
    update_baseline(path, {"a": _peak()})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ValueError, match=r"^cannot write the memory baseline .*: No space left on device$"):
        update_baseline(path, {"b": _peak()})
    assert set(read_baseline(path)) == {"a"}
    assert list(tmp_path.iterdir()) == [path]


def test_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    update_baseline(path, {"a": _peak(1, "Card \x1b[2J\u202e")})
    gate = Gate(file=path, tolerance_percent=1.0)
    gate.measured = {"a": _test("a"), "b\x1b": _test("b\x1b", "\x9b31m")}
    lines = [*gate.table(), *gate.notes()]
    assert all(line.isprintable() for line in lines)
    assert "a was simulated Card \\x1b[2J\\u202e and is now simulated: not compared" in lines
    assert "a: a \\x1b[2Jwarning of two lines" in lines
