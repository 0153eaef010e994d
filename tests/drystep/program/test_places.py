"""Places at which a program asks for values."""

from pathlib import Path

from drystep.program.places import Place, running_place

SOURCE = "def ask(place_of):\n    return place_of()\n"


def _asked_in(file: Path) -> Place:
    """The place of the same code in a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SOURCE)
    names: dict = {}
    exec(compile(SOURCE, str(file), "exec"), names)
    return names["ask"](running_place)


def test_equal_code_of_two_files_is_at_two_places(tmp_path: Path) -> None:
    """Python takes two functions' code for equal wherever their files lie."""
    files = [tmp_path / folder / "train.py" for folder in ("first", "second")]
    assert [_asked_in(file).key for file in files] == [(str(file), 2) for file in files]


def test_the_users_line_and_that_of_a_library(tmp_path: Path) -> None:
    file = tmp_path / "site-packages" / "theirs" / "boxes.py"
    place = _asked_in(file)
    line = _asked_in.__code__.co_firstlineno + 6
    assert place.key == (str(file), 2)
    assert place.library == "theirs/boxes.py:2 ask"
    assert place.where == f'tests/drystep/program/test_places.py:{line} (`return names["ask"](running_place)`)'
    assert place.names[0] == "boxes.py:2"
