"""The house: packages on floors, rooms on floors inside them, no circle among files, private parts in one place.

A room is a folder below a package, or a loose file of it. All of it is read from the sources.
"""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW = {
    "reports": set(),
    "drystep": set(),
    "e3va": set(),
    "baselines": {"e3va"},
    "bench": {"baselines", "drystep", "e3va", "reports"},
}
"""Package -> the packages that it may import."""
ROOMS = {
    "drystep": (
        {
            "alloc_conf",
            "bounds",
            "errors",
            "files",
            "late_imports",
            "operators",
            "program",
            "torch_private",
            "units",
            "visible_text",
        },
        {"gpus", "torch_replacements", "trace", "values"},
        {"checks", "cuda", "measure", "memory", "time", "zoo"},
        {"batches", "simulation"},
        {"simulator"},
        {"calibration", "fit", "pytest_plugin", "validation"},
        {"commands"},
        {"__main__", "check_step"},
    ),
    "bench": (
        {"detectors"},
        {"cases"},
        {"results"},
        {"engines"},
        {"launchers", "proof", "training"},
        {"commands"},
        {"__main__"},
    ),
}
"""Package -> its rooms floor by floor, from the bottom: a room imports only from floors below its own."""
LONGEST_CHAIN = 9
MOST_FILES = 16
PRIVATE_PARTS = {"drystep/torch_private.py", "drystep/torch_replacements.py", "e3va/private_parts.py"}
"""The files that may reach for private parts of PyTorch and timm."""
THEIRS = {"torch", "torchvision", "timm", "transformers"}


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


FILES = [path for package in BELOW for path in _files(package)]


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(path: Path) -> Iterator[str]:
    """Full names that a file imports, wherever in it; of `from package import name` also the name's."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(name: str) -> Path | None:
    """The file of ours that an imported name is, or is defined in."""
    parts = name.split(".")
    if parts[0] not in BELOW:
        return None
    for count in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:count])
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.exists():
                return candidate
    return None


@functools.cache
def _imported_files(path: Path) -> frozenset[Path]:
    found = {_file_of(name) for name in _imports(path)} - {path, None}
    return frozenset(file for file in found if file is not None)


def _room(path: Path) -> str:
    """`drystep.trace`, `drystep.simulator`: a package's folder or loose file; a package without folders is a room."""
    package, *inside = path.relative_to(ROOT).with_suffix("").parts
    folders = [entry for entry in (ROOT / package).iterdir() if entry.is_dir() and list(entry.glob("*.py"))]
    return f"{package}.{inside[0]}" if folders else package


@pytest.mark.parametrize("package", BELOW)
def test_packages_import_only_from_floors_below(package: str) -> None:
    for path in _files(package):
        imported = {name.split(".")[0] for name in _imports(path)} & BELOW.keys()
        assert imported <= BELOW[package] | {package}, path


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_from_floors_below(package: str) -> None:
    floors = {f"{package}.{room}": number for number, rooms in enumerate(ROOMS[package]) for room in rooms}
    for path in _files(package):
        room = _room(path)
        if room == f"{package}.__init__":
            continue  # the door: it names what is imported when it is first used
        for file in _imported_files(path):
            other = _room(file)
            if other in floors and other != room:
                assert floors[other] < floors[room], f"{path} imports {file}"


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_has_its_floor(package: str) -> None:
    floors = {room for rooms in ROOMS[package] for room in rooms}
    assert {_room(path).removeprefix(f"{package}.") for path in _files(package)} == floors | {"__init__"}


def _longest_chains(arrows: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
    """Node -> the longest chain of arrows from it. Raises `AssertionError` for a circle."""
    found: dict[str, tuple[str, ...]] = {}

    def chain(node: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
        assert node not in above, f"a circle: {' -> '.join((*above[above.index(node) :], node))}"
        if node not in found:
            below = [chain(other, (*above, node)) for other in sorted(arrows.get(node, ()))]
            found[node] = (node, *max(below, key=len, default=()))
        return found[node]

    for node in arrows:
        chain(node)
    return found


def test_no_circle_among_files() -> None:
    """But for a package's own door, which names its files for others."""
    doors = {path for path in FILES if path.name == "__init__.py"}
    _longest_chains({str(path): {str(file) for file in _imported_files(path) - doors} for path in FILES})


def test_the_longest_chain_of_rooms() -> None:
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        if path.name != "__init__.py":
            rooms = {_room(file) for file in _imported_files(path) if file.name != "__init__.py"}
            arrows.setdefault(_room(path), set()).update(rooms - {_room(path)})
    longest = max(_longest_chains(arrows).values(), key=len)
    assert len(longest) <= LONGEST_CHAIN, " -> ".join(longest)


def test_no_folder_is_crowded() -> None:
    for folder in {path.parent for path in FILES}:
        files = [path for path in folder.iterdir() if path.is_file()]
        assert len(files) <= MOST_FILES, folder


def test_reports_need_no_torch() -> None:
    for path in _files("reports"):
        assert not {name.split(".")[0] for name in _imports(path)} & THEIRS, path


def test_baselines_know_the_shared_swin_and_not_the_papers_method() -> None:
    for path in _files("baselines"):
        assert all(name.startswith("e3va.backbones.") for name in _imports(path) if name.split(".")[0] == "e3va"), path


def test_e3va_needs_little() -> None:
    allowed = {"torch", "timm", "safetensors", "e3va"}
    for path in _files("e3va"):
        assert {name.split(".")[0] for name in _imports(path)} <= allowed | sys.stdlib_module_names, path


def _private_parts(path: Path) -> Iterator[str]:
    """What a file uses of others that they mark as private by an underscore.

    Operators are no private parts, whatever their names (`aten._softmax`); nor is what `self` and `cls` have, nor what
    Python documents (`os._exit`, `sys._getframe`).
    """
    for name in _imports(path):
        if name.split(".")[0] in THEIRS and any(_is_private(part) for part in name.split(".")):
            yield name
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = ast.unparse(node.value)
            if (
                owner.split(".")[0] != "aten"
                and "torch.ops." not in owner
                and owner not in ("self", "cls", "os", "sys")
            ):
                yield f"{owner}.{node.attr}"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_private_parts_are_in_one_place(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() not in PRIVATE_PARTS:
        assert list(_private_parts(path)) == []


def test_every_package_has_tests_beside_it() -> None:
    """Tests mirror the tree: a folder's tests are in the folder of the same name."""
    for package in BELOW:
        assert list((ROOT / "tests" / package).rglob("test_*.py")), package
