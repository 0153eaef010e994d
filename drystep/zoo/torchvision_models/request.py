"""What a user asks of a model of torchvision, and what torchvision says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from drystep.zoo.refusals import said
from drystep.zoo.settings import StepSettings

IMPORT = "from torchvision.models import get_model"


@dataclass(frozen=True)
class Request:
    """A model by name, with a user's settings."""

    name: str
    """Name in `torchvision.models.list_models()`."""
    settings: StepSettings
    image_size: tuple[int, int] | None
    """Height and width, where the user gives them."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """What torchvision says of the model's default weights."""
        from torchvision.models import get_model_weights

        return get_model_weights(self.name).DEFAULT.meta

    @property
    def transform(self) -> Mapping[str, Any]:
        """Arguments of the transform that belongs to the model's default weights."""
        from torchvision.models import get_model_weights

        return get_model_weights(self.name).DEFAULT.transforms.keywords

    @property
    def classes(self) -> int:
        """Classes of the head: the user's, or those of the default weights."""
        return self.settings.classes or len(self.meta["categories"])

    def refuse(self, *names: str) -> None:
        """Raise `ValueError` if a setting is given that the model does not have."""
        self.settings.refuse(frozenset(names), f"torchvision:{self.name}")

    def refuse_image_size(self, own: tuple[int, int], why: str) -> None:
        """Raise `ValueError` if images of another size than the model's own are asked for."""
        if self.image_size not in (None, own):
            raise ValueError(f"torchvision:{self.name} {why}: leave --image-size out")

    def build(self, options: Mapping[str, Any]) -> Any:
        """The model without data. Raises `ValueError` for a size of images that it refuses."""
        from torchvision.models import get_model

        build = partial(get_model, self.name, weights=None, **options)
        try:
            try:
                with torch.device("meta"):
                    return build()
            except NotImplementedError:  # the constructor reads values
                with _ParametersOnMeta():
                    return build()
        except (AssertionError, RuntimeError, ValueError) as error:
            size = f" of {self.image_size[0]} x {self.image_size[1]}" if self.image_size else ""
            raise ValueError(f"torchvision:{self.name} refuses images{size}: {said(error)}") from error

    def line(self, options: Mapping[str, Any]) -> str:
        """The line that builds the model; a string among the options is an expression, not text."""
        arguments = "".join(f", {name}={value}" for name, value in options.items())
        return f'model = get_model("{self.name}", weights=None{arguments})'


class _ParametersOnMeta(TorchFunctionMode):
    """Leaves data out of parameters alone: RegNets compute the widths of their stages with tensors."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def last_layer(model: nn.Module) -> str:
    """Path of the last layer that has parameters, in the module that stands last: the one for the classes."""
    *_, (last, _) = model.named_children()
    layers = [path for path, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))]
    return [path for path in layers if f"{path}.".startswith(f"{last}.")][-1]


def window_attention(model: nn.Module) -> tuple[str, ...]:
    """Paths of the attention of torchvision's Swins, which reads the weights of its layers."""
    return tuple(path for path, module in model.named_modules() if "ShiftedWindowAttention" in type(module).__name__)
