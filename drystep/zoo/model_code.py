"""What the zoo knows of a model: the lines of Python that build it, feed it and compute its loss."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class ModelCode:
    """Source code of a model, and of what a training step does with it.

    `build_step(device, batch_size, image_size)` is the function that the lines stand in: they may use these names.
    """

    model: tuple[str, ...]
    """Lines that make `model`; they run where `device` is the default device."""
    data: tuple[str, ...]
    """Lines that make a batch of inputs on `device`."""
    forward: str
    """Expression of the model's output."""
    loss: tuple[str, ...]
    """Lines that compute `loss` from the batch, under autocast where it is asked for."""
    example: nn.Module
    """The same model without data, on the meta device, whose parts are looked at."""
    targets: tuple[str, ...] = ()
    """Lines that make what the loss compares with, on `device`; inference leaves them out."""
    context: str = ""
    """Context manager that the model runs in; "" for none."""
    imports: tuple[str, ...] = ()
    """Import statements that the lines need."""
    heads: tuple[str, ...] = ()
    """Paths of the modules that are new in each task, and train with every method."""
    uncalled: tuple[str, ...] = ()
    """Paths of modules that read the weights of their layers, which never run: adapters have no effect on these."""
    batch_size: int = 8
    """Default of the function's argument."""
    image_size: tuple[int, int] | None = None
    """Default (height, width); None for a model whose input has no size that could be chosen."""
    image_multiple: int = 32
    """Heights and widths that are multiples of it suit the model."""
    checkpointing: tuple[str, ...] = ()
    """Lines that turn activation checkpointing on; none where the model has no such thing."""
    checkpointing_imports: tuple[str, ...] = ()
    """Import statements that these lines need."""
    channels_last_inputs: tuple[str, ...] = ()
    """Names of the data that take the memory format channels_last; none where it means nothing."""
    remarks: tuple[str, ...] = ()
    """Sentences about choices that a user might not expect."""
