"""The private parts of PyTorch and timm that E3VA uses, each with its purpose.

If the installed version lacks one, the error names the part and the version.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

from torch import Tensor, nn


class MissingPrivatePartError(ImportError):
    """The installed version of PyTorch or timm lacks a private part that is needed here."""


def _missing(part: str, package: str, purpose: str) -> MissingPrivatePartError:
    return MissingPrivatePartError(f"{package} {version(package)} has no {part}, which is needed {purpose}")


def window_attention(block: nn.Module, x: Tensor) -> Tensor:
    """Shifted-window attention of a normalised map, (B, H, W, C) -> (B, H, W, C): timm's `SwinTransformerBlock._attn`.

    Without it, the attention branch of the shared Swin would need a copy of timm's shifting, padding and masking.
    Raises `MissingPrivatePartError` where timm has no such method.
    """
    attend: Any = getattr(block, "_attn", None)
    if attend is None:
        part = f"{type(block).__name__}._attn"
        raise _missing(part, "timm", "to run the attention of a Swin block apart from its MLP")
    return attend(x)


@contextmanager
def recompile_limit(graphs: int) -> Iterator[None]:
    """Let `torch.compile` compile up to `graphs` variants of a function until the context ends.

    The default limit is eight (`torch._dynamo.config.recompile_limit`), and further variants silently run uncompiled.
    All blocks of a Swin share their code, so they need more. A higher limit that is already set is kept. Raises
    `MissingPrivatePartError` where PyTorch has no such setting.
    """
    try:
        config: Any = import_module("torch._dynamo.config")
        current = config.recompile_limit
    except (ImportError, AttributeError) as error:
        part = "torch._dynamo.config.recompile_limit"
        raise _missing(part, "torch", "to compile every block of a trunk (compile_trunk)") from error
    with config.patch(recompile_limit=max(current, graphs)):
        yield
