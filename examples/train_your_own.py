"""Train a timm Swin with E3VA in an ordinary PyTorch loop, and store only the adapters, which take a few MB.

    python examples/train_your_own.py                          # random weights; takes a minute on a CPU
    python examples/train_your_own.py --pretrained --steps 500 # timm's weights, which it downloads

The task is artificial: find bright squares in noise. Replace model, head and data with your own.
"""

import argparse
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e3va import E3VA

SIZE, SQUARE = 224, 64


class Segmenter(nn.Module):
    """A backbone with a small head: a 1x1 convolution per level, whose results are added at the finest level."""

    def __init__(self, backbone: E3VA) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(nn.Conv2d(channels, 1, 1) for channels in backbone.out_channels)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits (B, H, W)."""
        maps = self.backbone(images)  # (B, C_k, H / 2^(k+2), W / 2^(k+2)), the finest first
        logits = [head(feature) for head, feature in zip(self.heads, maps, strict=True)]
        logits = [F.interpolate(level, images.shape[-2:], mode="bilinear") for level in logits]
        return torch.stack(logits).sum(0)[:, 0]


def squares(batch_size: int, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Make images of noise with a bright square each, (B, 3, H, W), and masks of the squares, (B, H, W)."""
    images, masks = torch.randn(batch_size, 3, size, size), torch.zeros(batch_size, size, size)
    for image, mask in zip(images, masks, strict=True):
        top, left = torch.randint(size - SQUARE, (2,)).tolist()
        image[:, top : top + SQUARE, left : left + SQUARE] += 1
        mask[top : top + SQUARE, left : left + SQUARE] = 1
    return images, masks


def train(model: nn.Module, steps: int, batch_size: int = 2, size: int = SIZE) -> list[float]:
    """Train with AdamW all parameters that require gradients, and return the loss of each step."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    losses = []
    model.train()
    for _ in range(steps):
        images, masks = squares(batch_size, size)
        loss = F.binary_cross_entropy_with_logits(model(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    """Build the model, train it, and save its adapters."""
    options = argparse.ArgumentParser(description="Train a timm Swin with E3VA on a made-up task.")
    options.add_argument("--model", default="swin_tiny_patch4_window7_224", help="any timm Swin, version 1 or 2")
    options.add_argument("--pretrained", action="store_true", help="start from timm's weights")
    options.add_argument("--rank", type=int, default=8)
    options.add_argument("--steps", type=int, default=30)
    options.add_argument("--out", type=Path, default=Path("squares.safetensors"))
    chosen = options.parse_args()

    torch.manual_seed(0)
    backbone = E3VA(timm.create_model(chosen.model, pretrained=chosen.pretrained, num_classes=0), rank=chosen.rank)
    trained = sum(tensor.numel() for tensor in backbone.trainable_state_dict().values())
    print(f"{trained:,} of {sum(p.numel() for p in backbone.parameters()):,} parameters of the backbone train")
    losses = train(Segmenter(backbone), chosen.steps)
    print(f"loss {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last")
    backbone.save_adapters(chosen.out)
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
