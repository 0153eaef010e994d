from pathlib import Path

import pytest

from drystep.zoo.python_file import load_function


def _write(folder: Path, text: str, name: str = "train.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_function_of_a_file(tmp_path: Path) -> None:
    file = _write(tmp_path, "def build_step(device):\n    return lambda: device\n")
    assert load_function(f"{file}:build_step")(7)() == 7


def test_a_file_whose_name_no_import_statement_could_name(tmp_path: Path) -> None:
    file = _write(
        tmp_path, "from dataclasses import dataclass\n@dataclass\nclass Step:\n    size: int = 3\n", "my-step.py"
    )
    assert load_function(f"{file}:Step")().size == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def a(): ...\ndef b(): ...", "unknown function in .*train.py 'build_step': choose from a, b"),
        ("build_step = 3", "train.py:build_step is not a function but int"),
        ("import no_such_thing", "cannot import .*: ModuleNotFoundError: .* at .*train.py:1"),
        ("x = 1\n1 / 0", r"cannot import .*: ZeroDivisionError: division by zero at .*train.py:2"),
        ("def broken(:", "cannot import .*: SyntaxError: "),
        ("raise SystemExit(3)", "cannot import .*: SystemExit: 3 at .*train.py:1"),
    ],
)
def test_what_is_no_function(tmp_path: Path, text: str, message: str) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        load_function(f"{file}:build_step")
    assert "\n" not in str(caught.value)
