"""One process at a time changes a file, whatever name it is reached by."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from drystep.files import locks
from drystep.files.locks import locked
from drystep.files.rewrite import rewrite

TIMES, PROCESSES = 30, 3
SPAWN = multiprocessing.get_context("spawn")


def _append(path: Path, word: str) -> None:
    """Read, wait, write: two that do so at once lose words."""
    for number in range(TIMES):

        def added(before: bytes, number: int = number) -> str:
            time.sleep(0.001)
            return f"{before.decode()}{word}{number}\n"

        rewrite(path, added)


def _in_place(path: Path, word: str) -> None:
    for number in range(TIMES):
        with locked(path) as file:
            before = file.read()
            time.sleep(0.001)
            file.seek(0)
            file.write(before + f"{word}{number}\n".encode())


def _run(target, paths: list[Path]) -> None:
    started = [SPAWN.Process(target=target, args=(path, f"{index}-")) for index, path in enumerate(paths)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
        assert process.exitcode == 0


EXPECTED = {f"{index}-{number}" for index in range(PROCESSES) for number in range(TIMES)}


def test_processes_that_replace_a_file_lose_nothing(tmp_path: Path) -> None:
    """Each puts another file in its place: who has waited for the old one must notice."""
    path, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(path)
    _run(_append, [path, link, path])
    assert set(path.read_text().split()) == EXPECTED


def test_links_share_the_lock(tmp_path: Path) -> None:
    path, hard, symbolic = tmp_path / "file", tmp_path / "hard", tmp_path / "symbolic"
    path.write_text("")
    hard.hardlink_to(path)
    symbolic.symlink_to(path)
    _run(_in_place, [path, hard, symbolic])
    assert set(path.read_text().split()) == EXPECTED
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "hard", "symbolic"}  # and nothing beside them


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_TIMEOUT_S", 0.05)
    path = tmp_path / "file"
    with locked(path), pytest.raises(OSError, match="another process has held it for"), locked(path):
        pass
    with locked(path) as file:  # and it is free afterwards
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "file"
    process = SPAWN.Process(target=_die, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == 7
    with locked(path) as file:
        assert file.read() == b"held"


def _die(path: Path) -> None:
    with locked(path) as file:
        file.write(b"held")
        os._exit(7)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), locked(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), locked(tmp_path / "no" / "file"):
        pass
