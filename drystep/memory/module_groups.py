"""Groups of modules for a short list of where memory is: large modules are divided further than small ones."""

from collections.abc import Mapping


def cut(path: str, depth: int) -> str:
    """The first `depth` components of a path."""
    return ".".join(path.split(".")[:depth])


def group_by_size(sizes: Mapping[str, int], count: int) -> dict[str, str]:
    """Map each path to its group, with at most `count` groups (or as many as there are first components).

    Groups start as the first components of the paths. Then the largest group whose division keeps within the count is
    divided by its next component, repeatedly. What a module holds itself, apart from its submodules, stays in the group
    of its own name.
    """
    groups: dict[str, list[str]] = {}
    for path in sizes:
        groups.setdefault(cut(path, 1), []).append(path)
    while True:
        for name in sorted(groups, key=lambda name: (-sum(sizes[path] for path in groups[name]), name)):
            parts = _divide(name, groups[name])
            if parts.keys() != {name} and len(groups) - 1 + len(parts) <= count:
                del groups[name]
                groups.update(parts)
                break
        else:
            return {path: name for name, paths in groups.items() for path in paths}


def _divide(name: str, paths: list[str]) -> dict[str, list[str]]:
    """Divide a group by the next component of its paths."""
    depth = name.count(".") + 2 if name else 1
    parts: dict[str, list[str]] = {}
    for path in paths:
        parts.setdefault(cut(path, depth), []).append(path)
    return parts
