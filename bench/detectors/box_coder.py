"""Encoding of boxes as offsets from other boxes (Girshick et al. 2014, appendix C), with a weight per coordinate."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000 / 16)
"""Largest log of a change in width or height, as in mmdet and torchvision. It keeps extreme predictions finite."""
MIN_SCALE = 1e-6
"""Smallest change in width or height that is encoded. It keeps padding boxes, which have no size, finite."""


@dataclass(frozen=True)
class BoxCoder:
    """Encodes and decodes boxes (N, 4) as deltas (N, 4): shift by size, log of scale, each times its weight.

    torchvision's coder computes the same, but sends its weights from host to GPU on every call.
    """

    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """Weights of x, y, width and height."""

    def encode(self, targets: Tensor, anchors: Tensor) -> Tensor:
        """Deltas that turn the anchors into the targets."""
        (tx, ty, tw, th), (ax, ay, aw, ah) = _centre_form(targets), _centre_form(anchors)
        wx, wy, ww, wh = self.weights
        scale_w, scale_h = (tw / aw).clamp(min=MIN_SCALE), (th / ah).clamp(min=MIN_SCALE)
        deltas = (wx * (tx - ax) / aw, wy * (ty - ay) / ah, ww * scale_w.log(), wh * scale_h.log())
        return torch.stack(deltas, dim=-1)

    def decode(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Apply deltas to the anchors."""
        ax, ay, aw, ah = _centre_form(anchors)
        dx, dy, dw, dh = (delta / weight for delta, weight in zip(deltas.unbind(-1), self.weights, strict=True))
        x, y = ax + dx * aw, ay + dy * ah
        half_width = 0.5 * aw * dw.clamp(max=MAX_LOG_SCALE).exp()
        half_height = 0.5 * ah * dh.clamp(max=MAX_LOG_SCALE).exp()
        return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), dim=-1)


def _centre_form(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height
