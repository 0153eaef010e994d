import pytest

from drystep.memory.module_groups import cut, group_by_size

SIZES = {"a": 1, "a.x": 50, "a.y.deep": 30, "b.p": 6, "b.q": 4, "": 2}


@pytest.mark.parametrize(("depth", "path"), [(1, "a"), (2, "a.y"), (3, "a.y.deep"), (9, "a.y.deep")])
def test_cut(depth: int, path: str) -> None:
    assert cut("a.y.deep", depth) == path


@pytest.mark.parametrize(
    ("count", "groups"),
    [
        (1, {"a", "b", ""}),  # never fewer than first components
        (4, {"a", "b.p", "b.q", ""}),  # a has three parts: no room
        (5, {"a", "a.x", "a.y.deep", "b", ""}),  # the larger one first
        (6, {"a", "a.x", "a.y.deep", "b.p", "b.q", ""}),
    ],
)
def test_the_largest_group_is_divided_first(count: int, groups: set[str]) -> None:
    assert set(group_by_size(SIZES, count).values()) == groups


def test_every_path_is_in_a_group_around_it() -> None:
    for path, group in group_by_size(SIZES, 4).items():
        assert path == group or path.startswith(f"{group}.")


def test_nothing_to_group() -> None:
    assert group_by_size({}, 3) == {}
