"""Modules, grouped so that a short list says where the memory is: detail goes where the bytes are."""

from collections.abc import Mapping


def cut(path: str, depth: int) -> str:
    """The first `depth` components of a path."""
    return ".".join(path.split(".")[:depth])


def group_by_size(sizes: Mapping[str, int], count: int) -> dict[str, str]:
    """Path -> group, for at most `count` groups (or as many as there are first components).

    From the first components on, the largest group that still fits the count is divided by its next component, again
    and again. What a module holds itself, beside what its parts hold, stays in the group of its own name.
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
    """One component deeper."""
    depth = name.count(".") + 2 if name else 1
    parts: dict[str, list[str]] = {}
    for path in paths:
        parts.setdefault(cut(path, depth), []).append(path)
    return parts
