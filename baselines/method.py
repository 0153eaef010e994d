"""Definition of a method: a transformation of the shared Swin, and a declaration of what trains afterwards."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from e3va.backbones.base import Backbone, require_untuned
from e3va.backbones.swin import SwinBackbone


@dataclass(frozen=True)
class Method:
    """A way to fine-tune a Swin backbone. Neck and heads always train; a method decides about the backbone alone."""

    transform: Callable[[SwinBackbone], Backbone]
    """Freezes parameters and inserts modules. Returns the tuned backbone, which is called like the original and has the
    same `out_channels`."""
    adds_structure: bool
    """Whether it adds modules to the backbone (the tables' "extra structure")."""
    trains: tuple[str, ...] = ()
    """Glob patterns that match the names, in the tuned backbone, of the parameters that train, and of no others."""
    starts_frozen: bool = True
    """Whether the tuned backbone computes the same as the frozen one before its first step."""

    def apply(self, backbone: SwinBackbone) -> Backbone:
        """Transform a backbone and return the tuned one. Raises `ValueError` if a method was applied to it before."""
        require_untuned(backbone)
        tuned = self.transform(backbone)
        tuned.tuned = backbone.tuned = True
        return tuned

    def declares(self, parameter_name: str) -> bool:
        """Whether `trains` names this parameter."""
        return any(fnmatchcase(parameter_name, pattern) for pattern in self.trains)


def train_only(backbone: nn.Module, parameters: Iterable[nn.Parameter]) -> None:
    """Freeze all parameters of the backbone except for the given ones."""
    backbone.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)


def parameters_of(backbone: nn.Module, *kinds: type[nn.Module]) -> list[nn.Parameter]:
    """The parameters inside all modules of the given kinds."""
    return [p for module in backbone.modules() if isinstance(module, kinds) for p in module.parameters()]


def append_to_branches(backbone: SwinBackbone, build: Callable[[int], nn.Module]) -> None:
    """Put `build(dim)` behind both branches of every block, before DropPath and the residual (paper, equation 6)."""
    with backbone.device:
        for block in backbone.blocks():
            for name in ("attention_branch", "mlp_branch"):
                adapted = OrderedDict(branch=getattr(block, name), adapter=build(block.dim))
                setattr(block, name, nn.Sequential(adapted))
