"""The house: a folder imports only from folders below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW = {
    "reports": set(),
    "models": set(),
    "baselines": {"models"},
    "e3va": {"models"},
    "bench": {"models", "baselines", "e3va", "reports"},
}


def _imported(path: Path) -> set[str]:
    """Top-level names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("folder", BELOW)
def test_imports_point_downwards(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        assert _imported(path) & BELOW.keys() <= BELOW[folder] | {folder}, path


def test_reports_need_no_torch() -> None:
    for path in (ROOT / "reports").rglob("*.py"):
        assert not _imported(path) & {"torch", "torchvision", "timm"}, path


def test_every_file_has_tests_beside_it() -> None:
    """Tests mirror the tree: a folder's tests are in the folder of the same name."""
    for folder in BELOW:
        assert list((ROOT / "tests" / folder).glob("test_*.py")), folder
