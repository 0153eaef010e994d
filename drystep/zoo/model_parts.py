"""Parts of a model that methods train or wrap: its blocks, and its attention's projections."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from torch import nn

CONTAINERS = (nn.ModuleList, nn.Sequential)
PROJECTIONS = (
    ("qkv",), ("q_proj", "v_proj"), ("query", "value"), ("to_q", "to_v"), ("q_lin", "v_lin"), ("q", "v"),
    ("query_key_value",), ("qkv_proj",), ("c_attn",), ("Wqkv",), ("in_proj",),
)  # fmt: skip
"""Names that models have for what LoRA wraps by its paper (section 4.2): the projections of queries and values."""
MOST_IN_A_STAGE = 0.9
"""Part of a stage's parameters that its blocks have at least."""


def block_names(model: nn.Module) -> list[str]:
    """Paths of the repeated blocks of a model, in their order: the layers of a transformer, the blocks of a ResNet.

    They are the modules of one class that stand in lists and hold the most parameters. A class whose instances are
    lists of blocks, such as a stage of a Swin, gives way to its blocks. Empty for a model without any.
    """
    found: dict[type[nn.Module], list[str]] = defaultdict(list)
    for path, container in model.named_modules():
        if isinstance(container, CONTAINERS):
            for name, child in container.named_children():
                if not isinstance(child, CONTAINERS):
                    found[type(child)].append(f"{path}.{name}" if path else name)
    repeated = {kind: paths for kind, paths in found.items() if len(paths) > 1 and count(model, paths)}
    if not repeated:
        return []
    chosen = max(repeated, key=lambda kind: count(model, repeated[kind]))
    while True:
        inner = next(
            (kind for kind in repeated if kind != chosen and _are_stages(model, repeated[chosen], repeated[kind])), None
        )
        if inner is None:
            return repeated[chosen]
        chosen = inner


def count(model: nn.Module, paths: Sequence[str]) -> int:
    """Number of parameters in modules."""
    return sum(parameter.numel() for path in paths for parameter in model.get_submodule(path).parameters())


def _are_stages(model: nn.Module, outer: Sequence[str], inner: Sequence[str]) -> bool:
    """Whether blocks are what the modules of `outer` hold in one list each."""
    lists = {path.rpartition(".")[0].rpartition(".")[0] for path in inner}
    return lists <= set(outer) and count(model, inner) >= MOST_IN_A_STAGE * count(model, outer)


def lora_targets(model: nn.Module, heads: Sequence[str]) -> list[str]:
    """Names of the modules that LoRA wraps by default: the attention's projections, or else all linear layers.

    A model without linear layers outside its heads gives its convolutions that are not grouped.
    """
    linear = list(_outside(model, heads, nn.Linear))
    names = {path.rpartition(".")[2] for path in linear}
    for projections in PROJECTIONS:
        if names.issuperset(projections):
            return list(projections)
    if linear:
        return sorted(names - {"0", "1", "2", "3"}) or linear
    paths = [path for path in _outside(model, heads, nn.Conv2d) if model.get_submodule(path).groups == 1]
    return sorted({path.rpartition(".")[2] for path in paths} - {"0"}) or paths


def _outside(model: nn.Module, heads: Sequence[str], kind: type[nn.Module]) -> Iterator[str]:
    for path, module in model.named_modules():
        if isinstance(module, kind) and not any(f"{path}.".startswith(f"{head}.") for head in heads):
            yield path
