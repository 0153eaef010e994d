"""Modules of a model that are new in each task."""

from torch import nn

from drystep.zoo.transformers_models.labels import NEW_HEADS, labels_of


def heads_of(example: nn.Module, name: str, parameters: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of the modules beside the model's base, where the task has a new head; none for language models."""
    if labels_of(name, parameters) not in NEW_HEADS:
        return ()
    base = getattr(example, "base_model", example)
    if base is example:
        return ()
    return tuple(
        path for path, module in example.named_children()
        if module is not base and any(True for _ in module.parameters())
    )  # fmt: skip
