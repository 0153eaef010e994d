import sys
from pathlib import Path

import pytest

from bench.own_step import loaded


def _write(folder: Path, text: str, name: str = "train.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_function_of_a_file(tmp_path: Path) -> None:
    file = _write(tmp_path, "def build_step(device):\n    return lambda: device\n")
    with loaded(f"{file}:build_step") as build_step:
        assert build_step(7)() == 7


def test_modules_beside_the_file_are_those_that_it_imports(tmp_path: Path) -> None:
    """Even where they have the name of one of ours, and even when they are imported late."""
    import models.naming

    ours = sys.modules["models"]
    _write(tmp_path, "NAME = 'theirs'\n", "models.py")
    _write(tmp_path, "NAME = 'helper'\n", "helper_of_a_user.py")
    text = """
import helper_of_a_user

def build_step():
    import models
    return models.NAME, helper_of_a_user.NAME
"""
    before = list(sys.path)
    with loaded(f"{_write(tmp_path, text)}:build_step") as build_step:
        assert build_step() == ("theirs", "helper")
    assert sys.modules["models"] is ours
    assert sys.modules["models.naming"] is models.naming
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (None, "{}:build_step", "cannot read .*train.py: no such file"),
        ("", "build_step", "module 'build_step' is not FILE.py:NAME, such as train.py:build_step"),
        ("", "{}", "is not FILE.py:NAME"),
        ("", "{}:", "is not FILE.py:NAME"),
        (
            "def a(): ...\ndef b(): ...",
            "{}:build_step",
            "unknown function in .*train.py 'build_step': choose from a, b",
        ),
        ("build_step = 3", "{}:build_step", "train.py:build_step is no function but int"),
        ("import no_such_thing", "{}:build_step", "cannot import .*: ModuleNotFoundError: .* at .*train.py:1"),
        ("x = 1\n1 / 0", "{}:build_step", r"cannot import .*: ZeroDivisionError: division by zero at .*train.py:2"),
        ("def broken(:", "{}:build_step", "cannot import .*: SyntaxError: "),
        ("raise SystemExit(3)", "{}:build_step", "cannot import .*: SystemExit: 3 at .*train.py:1"),
    ],
)
def test_what_is_no_function(tmp_path: Path, text: str | None, target: str, message: str) -> None:
    file = str(tmp_path / "train.py") if text is None else _write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught, loaded(target.format(file)):
        pass
    assert "\n" not in str(caught.value)
