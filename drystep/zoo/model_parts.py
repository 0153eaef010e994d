"""Parts of a model that methods train or wrap: its blocks, and the layers that adapters stand beside."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from torch import nn

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
PROJECTIONS = (
    ("qkv",), ("to_qkv",), ("q_proj", "v_proj"), ("query", "value"), ("to_q", "to_v"), ("q_lin", "v_lin"), ("q", "v"),
    ("query_key_value",), ("qkv_proj",), ("c_attn",), ("Wqkv",), ("in_proj",),
)  # fmt: skip
"""Names that models have for what LoRA wraps by its paper (section 4.2): the projections of queries and values."""
MOST_IN_A_STAGE = 0.9
"""Part of a stage's parameters that its blocks have at least."""


def block_names(model: nn.Module, heads: Sequence[str] = ()) -> list[str]:
    """Paths of the repeated blocks of a model, in their order: the layers of a transformer, the blocks of a ResNet.

    They are the modules of one class that stand in lists, or in the model itself, and hold the most parameters. Single
    layers are no blocks, and heads have none. A class whose instances are lists of blocks, such as a stage of a Swin,
    gives way to its blocks. Empty for a model without any.
    """
    found: dict[type[nn.Module], list[str]] = defaultdict(list)
    for path, module in outside(model, heads).items():
        parent, _, _ = path.rpartition(".")
        stands_in_list = not parent or isinstance(model.get_submodule(parent), CONTAINERS)
        if path and stands_in_list and not isinstance(module, CONTAINERS) and any(True for _ in module.children()):
            found[type(module)].append(path)
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


def outside(model: nn.Module, paths: Sequence[str]) -> dict[str, nn.Module]:
    """Path -> module of all that is not within the modules of some paths."""
    return {
        name: module
        for name, module in model.named_modules()
        if not any(f"{name}.".startswith(f"{path}.") for path in paths)
    }


def count(model: nn.Module, paths: Iterable[str]) -> int:
    """Number of parameters in modules."""
    return sum(parameter.numel() for path in paths for parameter in model.get_submodule(path).parameters())


def _are_stages(model: nn.Module, outer: Sequence[str], inner: Sequence[str]) -> bool:
    """Whether blocks are what the modules of `outer` hold in one list each.

    Stages differ in size. Layers of one size that hold lists are no stages but, for example, layers with experts.
    """
    lists = {path.rpartition(".")[0].rpartition(".")[0] for path in inner}
    if lists != set(outer) or len({count(model, [path]) for path in outer}) == 1:
        return False
    return count(model, inner) >= MOST_IN_A_STAGE * count(model, outer)


def lora_targets(model: nn.Module, heads: Sequence[str]) -> list[str]:
    """Names of the modules that LoRA wraps by default: the attention's projections, or else all linear layers.

    A model whose convolutions hold more parameters than its linear layers gives its convolutions, but for grouped and
    dilated ones, which peft's LoRA does not have. Heads give none, nor does an `nn.MultiheadAttention`, whose layers
    never run on their own.
    """
    skipped = [*heads, *(path for path, module in model.named_modules() if isinstance(module, nn.MultiheadAttention))]
    layers = outside(model, skipped)
    linear = [path for path, module in layers.items() if is_linear(module)]
    names = {target_name(path) for path in linear}
    for projections in PROJECTIONS:
        if names.issuperset(projections):
            return list(projections)
    convolutions = {path: module for path, module in layers.items() if isinstance(module, CONVOLUTIONS)}
    if count(model, linear) >= count(model, convolutions):
        return sorted(names)
    plain = {path for path, module in convolutions.items() if module.groups == 1 and set(module.dilation) == {1}}
    others = {target_name(path) for path in convolutions.keys() - plain}
    return sorted({target_name(path) for path in plain} - others)


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a linear layer, also in the form that GPT-2 has in transformers."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def target_name(path: str) -> str:
    """The end of a module's path that names it in each block: from its last part that is no number."""
    parts = path.split(".")
    named = [position for position, part in enumerate(parts) if not part.isdigit()]
    return ".".join(parts[named[-1] if named else 0 :])
