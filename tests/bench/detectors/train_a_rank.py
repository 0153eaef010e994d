"""A process of a distributed training, which `test_processes.py` starts: one step on some images, gradients to a file.

Arguments: the detector, the rank, the number of ranks, and a folder with the batch, which gets the gradients.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from bench.detectors.cascade_mask_rcnn import CascadeMaskRCNN
from bench.detectors.retinanet import RetinaNet
from bench.detectors.targets import DetectionTargets
from e3va.backbones.swin import build_swin

CLASSES = 3


def build(name: str) -> torch.nn.Module:
    """A small detector, in evaluation mode: batch norms use their statistics."""
    torch.manual_seed(0)
    if name == "retinanet":
        swin = build_swin("swin_nano", out_stages=(1, 2, 3))
        return RetinaNet(swin, CLASSES, channels=16, tower_length=1).eval()
    return CascadeMaskRCNN(build_swin("swin_nano"), CLASSES, rois_per_image=32, channels=16, fc_channels=32).eval()


def gradients(model: torch.nn.Module, images: torch.Tensor, targets: DetectionTargets) -> dict[str, torch.Tensor]:
    """The loss and all gradients of one step."""
    loss = torch.stack(list(model(images, targets).values())).sum()
    loss.backward()
    found = {name.removeprefix("module."): p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **found}


def part(targets: DetectionTargets, images: slice) -> DetectionTargets:
    """The targets of some of the images."""
    assert targets.masks is not None and targets.seeds is not None and targets.ignored is not None
    return DetectionTargets(
        targets.boxes[images],
        targets.labels[images],
        targets.masks[images],
        ignored=targets.ignored[images],
        seeds=targets.seeds[images],
    )


def main(name: str, rank: int, ranks: int, folder: Path) -> None:
    """Train on the rank's share of the batch in `folder/batch.pt`."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=ranks)
    images, boxes, labels, masks, ignored = torch.load(folder / "batch.pt")
    each = len(images) // ranks
    own = slice(rank * each, (rank + 1) * each)
    targets = DetectionTargets(boxes, labels, masks, ignored=ignored, seeds=tuple(range(len(images))))
    found = gradients(DistributedDataParallel(build(name)), images[own], part(targets, own))
    torch.save(found, folder / f"rank{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
