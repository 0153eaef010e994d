"""A model that a step is written for, and the batch that is being written for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from drystep.zoo.settings import StepSettings


@dataclass(frozen=True)
class Subject:
    """A model of transformers with its configuration."""

    name: str
    """Of its class."""
    config: Any
    example: nn.Module
    """The model on the meta device."""
    parameters: tuple[str, ...]
    """What its forward takes."""
    settings: StepSettings
    image_size: tuple[int, int] | None
    """(height, width), or None for a model without images."""

    @property
    def text_config(self) -> Any:
        """The part of the configuration that is about text, which may be all of it."""
        return self.config.get_text_config()

    @property
    def vision_config(self) -> Any:
        """The part of the configuration that is about images, which may be all of it."""
        return getattr(self.config, "vision_config", None) or self.config

    @property
    def main_input(self) -> str:
        """The input that the model is about, by its class."""
        return str(getattr(self.example, "main_input_name", ""))

    def takes(self, parameter: str) -> bool:
        """Whether forward has a parameter of a name."""
        return parameter in self.parameters


@dataclass
class Batch:
    """Lines that make a batch, and what forward is called with."""

    lines: list[str] = field(default_factory=list)
    """Of inputs, then of what the loss compares with."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Parameter of forward -> expression."""
    images: list[str] = field(default_factory=list)
    """Names of batches of images (batch, channels, height, width)."""
    suited: set[str] = field(default_factory=set)
    """Settings that the batch depends on."""
    remarks: list[str] = field(default_factory=list)

    def add(self, parameter: str, expression: str) -> None:
        """Make a variable that is called as the parameter, and pass it."""
        self.lines.append(f"{parameter} = {expression}")
        self.arguments[parameter] = parameter


Labels = Callable[[Subject, Batch], None]
"""Adds what a model computes its loss from to a batch."""
