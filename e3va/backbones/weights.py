"""Pre-trained weights from files: timm's layout and that of the original Swin release, checked before they are used."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from timm.layers import resize_rel_pos_bias_table
from timm.models.swin_transformer import SwinTransformer, WindowAttention
from torch import Tensor

COMPUTED = ("attn_mask", "relative_position_index")
"""Buffers that the original release stores although they follow from the window."""
OF_THE_CLASSIFIER = ("head.", "norm.")
"""Beginnings of the names of what a backbone does not have."""
POSITION_BIASES = ".relative_position_bias_table"
NAMED_AT_MOST = 3
"""Differences of one kind that a message names."""


def load_weights(swin: SwinTransformer, path: Path, name: str) -> None:
    """Load the weights of a file into timm's Swin, which messages call `name`.

    The file is `.safetensors`, or one of `torch.save` that holds tensors alone, by name, or such a dict under the key
    `model` or `state_dict`. Names are timm's or those of the original Swin release, which counts a patch merging to the
    stage before it. The classifier and the norm before it are left out. Position biases of another window are
    interpolated, as timm does, with a warning that says so: a smaller window keeps about the biases of its distances.

    Raises `ValueError`, a sentence that names keys and shapes, if the file can't be read or its weights do not fit.
    """
    found = _in_timm_layout(_read(path))
    wanted = {key: value for key, value in swin.state_dict().items() if not key.startswith(OF_THE_CLASSIFIER)}
    found |= _interpolated(swin, found, path, name)
    problems = [
        _listed("missing", sorted(wanted.keys() - found.keys())),
        _listed("unknown", sorted(found.keys() - wanted.keys())),
        _listed("of another shape", _other_shapes(found, wanted)),
    ]
    if any(problems):
        raise ValueError(f"the weights in {path} do not fit {name}: {'; '.join(filter(None, problems))}")
    swin.load_state_dict(found, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"{path} is no file: expected weights of a Swin (.pth or .safetensors)")
    try:
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling what is no checkpoint may raise anything
        raise ValueError(
            f"{path} can't be read as weights; it may be incomplete, or hold more than tensors ({type(error).__name__})"
        ) from error
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds no tensors by name, as weights of a Swin must be stored")
    return cast(dict[str, Tensor], dict(content))


def _in_timm_layout(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a backbone has of these weights, by timm's names."""
    original = any(key.startswith("layers.0.downsample.") for key in weights)  # timm has none in the first stage
    kept = {}
    for key, value in weights.items():
        if key.startswith(OF_THE_CLASSIFIER) or key.endswith(COMPUTED):
            continue
        kept[re.sub(r"^layers\.(\d+)\.downsample", _next_stage, key) if original else key] = value
    return kept


def _next_stage(match: re.Match[str]) -> str:
    return f"layers.{int(match[1]) + 1}.downsample"


def _interpolated(swin: SwinTransformer, found: Mapping[str, Tensor], path: Path, name: str) -> dict[str, Tensor]:
    """Position biases that the file has for another window of the same number of heads, interpolated to the Swin's."""
    interpolated, windows = {}, set()
    for module_name, module in swin.named_modules():
        key = module_name + POSITION_BIASES
        if not isinstance(module, WindowAttention) or key not in found:
            continue
        table, wanted = found[key], tuple(module.relative_position_bias_table.shape)  # ((2 w - 1)^2, heads)
        side = math.isqrt(len(table)) if table.ndim == 2 else 0
        if tuple(table.shape) == wanted or side % 2 == 0 or tuple(table.shape) != (side**2, wanted[1]):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PyTorch says about timm's code
            interpolated[key] = resize_rel_pos_bias_table(table, module.window_size, wanted)
        windows.add((side + 1) // 2)
    for window in sorted(windows):
        warnings.warn(f"position biases in {path} for windows of {window} were interpolated to {name}", stacklevel=4)
    return interpolated


def _other_shapes(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key} is {tuple(found[key].shape)}, not {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in found and found[key].shape != value.shape
    ]


def _listed(what: str, differences: Sequence[str]) -> str:
    if not differences:
        return ""
    more = len(differences) - NAMED_AT_MOST
    named = ", ".join(differences[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return f"{what}: {named}"
