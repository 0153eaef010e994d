"""The paper's three tasks: detector, images and settings, after the authors' released configurations.

Does not import torch: the detector is loaded when it is built.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from e3va.backbones.base import Backbone

ALL_STAGES = (0, 1, 2, 3)
FULL_ROIS_PER_IMAGE = 512


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One task with its detector and training settings."""

    name: str
    """Name on the command line."""
    dataset: str
    """Data set whose image sizes, classes and schedule it has."""
    detector: str
    """Neck and heads."""
    backbone: str
    """Swin of the paper's table."""
    image_size: tuple[int, int]
    """Height and width of the padded training image."""
    out_stages: tuple[int, ...]
    """Swin stages that the detector reads."""
    num_classes: int
    drop_path: float
    """Rate of the last block; it rises linearly from 0."""
    learning_rate: float
    weight_decay: float
    gt_boxes: int
    """Objects per image unless the case says otherwise; 0 where the task has none."""
    has_rois: bool
    """Whether the detector samples RoIs."""
    home: str
    """`module:class` of the detector."""

    def build(self, backbone: "Backbone", **options: Any) -> "nn.Module":
        """Build the detector, for this task's classes, around a backbone."""
        module, _, name = self.home.partition(":")
        return getattr(import_module(module), name)(backbone, self.num_classes, **options)


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            name="voc", dataset="Pascal VOC 07+12", detector="RetinaNet", backbone="swin_large",
            image_size=(608, 1024), out_stages=(1, 2, 3), num_classes=20, drop_path=0.2,
            learning_rate=1e-4, weight_decay=0.05, gt_boxes=8, has_rois=False,
            home="bench.detectors.retinanet:RetinaNet",
        ),
        Workload(
            name="ade20k", dataset="ADE20K", detector="UPerNet", backbone="swin_large",
            image_size=(512, 512), out_stages=ALL_STAGES, num_classes=150, drop_path=0.3,
            learning_rate=6e-5, weight_decay=0.01, gt_boxes=0, has_rois=False,
            home="bench.detectors.upernet:UPerNet",
        ),
        Workload(
            name="coco", dataset="COCO", detector="Cascade Mask R-CNN", backbone="swin_base",
            image_size=(800, 1344), out_stages=ALL_STAGES, num_classes=80, drop_path=0.3,
            learning_rate=1e-4, weight_decay=0.05, gt_boxes=20, has_rois=True,
            home="bench.detectors.cascade_mask_rcnn:CascadeMaskRCNN",
        ),
    )
}  # fmt: skip
