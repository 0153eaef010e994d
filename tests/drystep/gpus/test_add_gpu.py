"""A class is added to a file of classes that others read and write, or the file stays as it was."""

import multiprocessing
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drystep.gpus.classes import add_gpu, read_gpus, require_name, require_new_gpu, toml_text
from drystep.time.calibrate import toml_block

BLOCK = '[{}]\nlabel = "A card"\nvisible_mib = 9000\n'
LABELS = (
    'A "card"', "back\\slash", "two\nlines\r\n", "\x00\x01\x1b[2J\x7f\x9b", "emoji \U0001f600", "\u663e\u5361", "'''",
    '"""', "# no comment", "\u2028\u202e", "",
)  # fmt: skip


def _block(name: str, label: str) -> str:
    return toml_block(name, label, 8000, 400, label, {"fp32_tflops": 12.3456, "bandwidth_gbs": 600.0})


@pytest.mark.parametrize("label", LABELS)
def test_labels_come_back(label: str) -> None:
    assert tomllib.loads(_block("card", label))["card"]["label"] == label
    assert tomllib.loads(_block("card", label))["card"]["operators"] == label


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert tomllib.loads(f"text = {toml_text(text)}") == {"text": text}
    assert toml_text(text).isprintable()


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    assert tomllib.loads(f"text = {toml_text('a' + chr(0xD800))}") == {"text": "a?"}


@pytest.mark.parametrize("name", ["my-card", "rtx.4060", "..", "A_1", "7", "-"])
def test_names_come_back(tmp_path: Path, name: str) -> None:
    require_name(name)
    path = tmp_path / "cards.toml"
    add_gpu(path, "first", BLOCK.format("first"))
    add_gpu(path, name, _block(name, "A card").replace('operators = "A card"\nscaled = true\n', ""))
    assert list(read_gpus(path)) == ["first", name]
    assert read_gpus(path)[name].visible_mib == 8000


@pytest.mark.parametrize("name", ["my card", "", "[x]", 'a"b', "a\nb", "a\n", "ü", "a/b", "\x1b", "../\u202e"])
def test_names_that_no_command_line_takes(name: str) -> None:
    with pytest.raises(ValueError, match="a name has letters .A to Z., digits, dots, dashes and underscores alone"):
        require_name(name)


def test_what_the_file_held_stays(tmp_path: Path) -> None:
    path = tmp_path / "cards.toml"
    before = "# mine\n[a]\nvisible_mib = 9000  # a comment\n"
    path.write_text(before)
    add_gpu(path, "b", BLOCK.format("b"))
    assert path.read_text() == f"{before}\n{BLOCK.format('b')}"


FOREIGN = [
    b"[a\n",
    b"\x80binary\x00",
    b"hello\n",
    b"[tool]\nname = 1\n",
    b"[a]\nvisible_mib = -3\n",
    b"\n",
    b"a=" + b"[" * 9999,
]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cards.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cards.toml"):
        require_new_gpu(path, "b")
    with pytest.raises(ValueError, match=r"cards.toml"):
        add_gpu(path, "b", BLOCK.format("b"))
    assert path.read_bytes() == content


def test_a_name_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cards.toml"
    path.write_text(BLOCK.format("a"))
    for attempt in (lambda: require_new_gpu(path, "a"), lambda: add_gpu(path, "a", BLOCK.format("a"))):
        with pytest.raises(ValueError, match="has a class a already: choose another --name"):
            attempt()
    require_new_gpu(path, "b")
    require_new_gpu(tmp_path / "new.toml", "a")
    assert path.read_text() == BLOCK.format("a")


def test_a_block_that_is_no_class_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cards.toml"
    with pytest.raises(ValueError, match="is not TOML"):
        add_gpu(path, "my card", BLOCK.format("my card"))
    assert not path.exists()
    path.write_text(BLOCK.format("a"))
    with pytest.raises(ValueError, match="is not TOML"):
        add_gpu(path, "my card", BLOCK.format("my card"))
    assert path.read_text() == BLOCK.format("a")


def test_devices_are_not_replaced() -> None:
    with pytest.raises(ValueError, match="cannot add a GPU class to /dev/null: it is not a file"):
        require_new_gpu(Path(os.devnull), "a")


def _add(path: Path, names: list[str]) -> None:
    for name in names:
        add_gpu(path, name, BLOCK.format(name))


def test_two_processes_lose_no_class(tmp_path: Path) -> None:
    path = tmp_path / "cards.toml"
    spawn = multiprocessing.get_context("spawn")
    halves = [[f"{letter}{number}" for number in range(15)] for letter in "ab"]
    started = [spawn.Process(target=_add, args=(path, names)) for names in halves]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
        assert process.exitcode == 0
    assert set(read_gpus(path)) == {*halves[0], *halves[1]}
