"""Outputs are there whole or not at all, whatever name leads to them and whatever fails meanwhile."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drystep.files.rewrite import rewrite
from drystep.files.whole import require_folder, write_whole, written_whole

UNWRITABLE = Path("/proc/nosuch")
"""Nobody makes folders there, not even root."""


def _full(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_made_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_whole(path, "ü\n")
    assert path.read_bytes() == b"\xc3\xbc\n"
    write_whole(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert _names(path.parent) == {"file"}


def test_permissions_stay_or_are_those_of_any_new_file(tmp_path: Path) -> None:
    usual, kept, new = tmp_path / "usual", tmp_path / "kept", tmp_path / "new"
    usual.write_text("")
    kept.write_text("old")
    kept.chmod(0o640)
    write_whole(kept, "new")
    write_whole(new, "new")
    assert kept.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_obeys_the_umask(tmp_path: Path, mask: int) -> None:
    code = f"""
import os
from pathlib import Path
from drystep.files.whole import write_whole

os.umask({mask})
write_whole(Path("file"), "")
assert os.umask(0) == {mask}
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_symbolic_link_stays_and_its_file_changes(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert _names(tmp_path) == {"there", "link"} and _names(target.parent) == {"target"}


def test_after_a_full_disk_the_old_content_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert _names(tmp_path) == {"file"}


def test_devices_and_folders_are_not_replaced(tmp_path: Path) -> None:
    """To rename a file over a device, or a pipe that somebody reads, would take it away from everybody."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder"):
        with pytest.raises(OSError):
            write_whole(tmp_path / name, "new")
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "pipe").is_fifo()
    assert _names(tmp_path) == {"pipe", "link", "folder"}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (UNWRITABLE, tmp_path / "file", tmp_path / "file" / "below"):
        for attempt in (lambda: require_folder(folder), lambda: write_whole(folder / "x", ""), lambda: _fill(folder)):  # noqa: B023
            with pytest.raises(OSError):
                attempt()
    assert _names(tmp_path) == {"file"}


def _fill(folder: Path) -> None:
    with written_whole(folder) as unfinished:
        (unfinished / "x").write_text("")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        require_folder(tmp_path)


def test_a_required_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_folder(tmp_path / "a" / "b")
    assert _names(tmp_path / "a" / "b") == set()


def test_several_files_appear_together(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with written_whole(folder) as unfinished:
        (unfinished / "one").write_text("1")
        (unfinished / "two").write_text("2")
        assert _names(folder) == {unfinished.name}
    assert _names(folder) == {"one", "two"}


def test_an_error_leaves_all_files_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old")
    with pytest.raises(KeyError), written_whole(tmp_path) as unfinished:
        (unfinished / "one").write_text("new")
        raise KeyError
    assert (tmp_path / "one").read_text() == "old"
    assert _names(tmp_path) == {"one"}


def test_a_rewritten_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    rewrite(path, lambda before: f"{before.decode()}a")
    rewrite(path, lambda before: f"{before.decode()}b")
    assert path.read_text() == "ab"
    assert _names(path.parent) == {"file"}


@pytest.mark.parametrize("content", [None, "", "old"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_change_that_fails_changes_nothing(tmp_path: Path, content: str | None, linked: bool) -> None:
    path, there = tmp_path / "file", tmp_path / "there"
    if linked:
        path.symlink_to(there)
    if content is not None:
        path.write_text(content)
    before = _names(tmp_path)

    def refuse(before: bytes) -> str:
        raise ValueError(before)

    with pytest.raises(ValueError):
        rewrite(path, refuse)
    assert _names(tmp_path) == before
    assert path.exists() == (content is not None)
    assert content is None or path.read_text() == content
