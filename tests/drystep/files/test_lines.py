"""Files of lines that several processes append to."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from drystep.files.lines import ForeignFileError, LineFile

BEGINNING = b'{"kind": "n", '
LINE = '{"kind": "n", "value": 1}'


def _is_line(line: bytes) -> bool:
    try:
        return "value" in json.loads(line)
    except ValueError:
        return False


def _lines(path: Path) -> LineFile:
    return LineFile(path, "numbers", BEGINNING, _is_line)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\n\n", b"\n\n"),
        (f"{LINE}\n".encode(), f"{LINE}\n".encode()),
        (LINE.encode(), f"{LINE}\n".encode()),  # it lacks its end alone
        (f"{LINE}\n".encode() + b'{"kind": "n", "val', f"{LINE}\n".encode()),
        (f"{LINE}\n".encode() + b'{"ki', f"{LINE}\n".encode()),
        (b'{"kind": "n", "val', b""),  # the first line was cut
        (f"{LINE}\n".encode() + b"theirs", f"{LINE}\n".encode() + b"theirs\n"),
        (b"theirs\n" + f"{LINE}\n".encode(), b"theirs\n" + f"{LINE}\n".encode()),
        (f"{LINE}\n".encode() + b'{"kind": "o"}', f"{LINE}\n".encode() + b'{"kind": "o"}\n'),
    ],
)
def test_only_what_was_left_of_a_line_makes_way(before: bytes, after: bytes, tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(before)
    _lines(path).require_writable()
    assert path.read_bytes() == before
    _lines(path).append(LINE)
    assert path.read_bytes() == after + f"{LINE}\n".encode()


FOREIGN = (b"theirs", b"theirs\n", b'{"kind": "o"}\n', b"\x08\x00\x00\n{}\x00" * 5000, b'{"kind": "n", "other": 1}\n')


@pytest.mark.parametrize("content", FOREIGN)
def test_what_holds_no_line_is_refused_and_left(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    for change in (_lines(path).require_writable, lambda: _lines(path).append(LINE)):
        with pytest.raises(ForeignFileError, match=r"model\.safetensors holds something else than numbers"):
            change()
    assert path.read_bytes() == content


def test_folders_are_made_and_a_folder_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "numbers.jsonl"
    _lines(path).require_writable()
    assert path.read_bytes() == b""
    with pytest.raises(IsADirectoryError):
        _lines(tmp_path / "a").require_writable()


WRITER = """
import json, sys
from pathlib import Path
from drystep.files.lines import LineFile
path, writer, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
file = LineFile(path, "numbers", b'{"kind": "n", ', lambda line: line.endswith(b"}"))
for number in range(count):
    file.append(json.dumps({"kind": "n", "value": [writer, number], "filler": "x" * 5000}))
"""


@pytest.mark.parametrize("writers", [2, 4])
def test_writers_by_several_names_lose_nothing(writers: int, tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    path.touch()
    names = [path, tmp_path / "symbolic", tmp_path / "hard", tmp_path / "nested"]
    names[1].symlink_to(path)
    names[2].hardlink_to(path)
    names[3].symlink_to(names[1])
    count = 60
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, os.fspath(names[number]), str(number), str(count)])
        for number in range(writers)
    ]
    assert [process.wait() for process in running] == [0] * writers
    found = [json.loads(line)["value"] for line in path.read_text().splitlines()]
    assert sorted(found) == [[writer, number] for writer in range(writers) for number in range(count)]
    assert {file.name for file in tmp_path.iterdir()} == {name.name for name in names}  # and nothing beside them


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (52_000, 52_000))

    command = [sys.executable, "-c", WRITER, os.fspath(path), "0", "100"]
    failed = subprocess.run(command, preexec_fn=limit_files, capture_output=True, text=True, check=False)
    assert "File too large" in failed.stderr
    lines = path.read_text().splitlines()
    assert [json.loads(line)["value"][1] for line in lines] == list(range(10))
    _lines(path).append(LINE)
    assert path.read_text().splitlines() == [*lines, LINE]
