"""A case: everything that decides what one measurement shows."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from bench.augmentation import STRETCHES
from bench.methods import METHODS
from bench.simulation.semantics import PRECISIONS, PROFILES
from bench.workloads import FULL_ROIS_PER_IMAGE, WORKLOADS
from models.naming import choose
from models.swin import SWIN_SIZES, WINDOW_IMAGE_SIZE

TASKS_OWN: Any = None
"""Default of fields whose value the task knows: its own value takes their place."""
ENGINES = ("simulate", "cpu", "cuda")
OPTIMIZERS = ("adamw",)
PATCH_SIZE = 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training step to measure, or a run of them, and how.

    Fields left out take the task's own value; "auto" picks an engine. Raises `ValueError` that lists the valid choices.
    """

    task: str
    """voc (RetinaNet), ade20k (UPerNet) or coco (Cascade Mask R-CNN)."""
    method: str
    """Name of a method in `bench.methods`."""
    backbone: str = TASKS_OWN
    """swin_tiny, swin_small, swin_base or swin_large."""
    window: int = 7
    """Attention window, 7 or 12."""
    batch_size: int = 2
    """Images per GPU."""
    image_size: tuple[int, int] = TASKS_OWN
    """Height and width of the padded image, divisible by 4; in a run, of the largest that augmentation can make."""
    batches: int = 1
    """1: steps on one batch of the stated size. More: a run of that many batches from the task's augmentation."""
    stretch: str = "worst"
    """Which batches of an epoch a run takes: those up to the largest ("worst"), or those it begins with ("first")."""
    precision: str = "fp32"
    optimizer: str = "adamw"
    engine: str = "auto"
    """simulate, cpu or cuda; auto takes cuda where there is a device, else simulate."""
    profile: str = "torch-2.11"
    """Rules by which PyTorch allocates."""
    gt_boxes: int = TASKS_OWN
    """Objects per image; 0 for a task without objects. A run draws them instead."""
    rois_per_image: int = TASKS_OWN
    """RoIs sampled per image and cascade stage; 0 for a detector without RoIs."""
    fused_attention: bool = False
    """Attention as one kernel; explicit, as the paper measured, by default."""
    checkpointing: bool = False
    """Recompute each Swin block in backward instead of keeping its activations."""
    bf16_trunk: bool = False
    """Frozen blocks stored and computed in bfloat16 beside an E3VA highway; the rest in the case's precision."""
    seed: int = 0

    def __post_init__(self) -> None:
        workload = WORKLOADS[choose("task", self.task, WORKLOADS)]
        defaults = {
            "backbone": workload.backbone,
            "image_size": workload.image_size,
            "gt_boxes": workload.gt_boxes,
            "rois_per_image": FULL_ROIS_PER_IMAGE if workload.has_rois else 0,
        }
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        object.__setattr__(self, "image_size", tuple(self.image_size))
        if self.engine == "auto":
            object.__setattr__(self, "engine", "cuda" if torch.cuda.is_available() else "simulate")
        self._check_names()
        self._check_sizes(has_objects=workload.gt_boxes > 0, has_rois=workload.has_rois)
        if self.batches > 1 and self.gt_boxes != workload.gt_boxes:
            raise ValueError("a run of batches draws its objects per image: leave gt boxes out, or batches at 1")

    def _check_names(self) -> None:
        choose("method", self.method, METHODS)
        choose("backbone", self.backbone, SWIN_SIZES)
        choose("precision", self.precision, PRECISIONS)
        choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("engine", self.engine, ("auto", *ENGINES))
        choose("profile", self.profile, PROFILES)
        choose("stretch", self.stretch, STRETCHES)
        if self.bf16_trunk and not METHODS[self.method].lowers_trunk:
            able = ", ".join(name for name, method in METHODS.items() if method.lowers_trunk)
            raise ValueError(
                f"{self.method} has no frozen trunk beside fused adapters for bfloat16: take one of {able}"
            )
        if self.engine == "cpu" and (self.precision != "fp32" or self.fused_attention or self.bf16_trunk):
            raise ValueError(
                "the cpu engine trains in fp32 with explicit attention, for half precision and fused attention are "
                "other kernels on a GPU: take the simulate engine"
            )
        if self.engine == "cuda" and (self.precision == "apex-o1" or self.profile != "torch-2.11"):
            raise ValueError(
                "the cuda engine measures the PyTorch that is installed: apex-o1 and profiles of other versions exist "
                "in the simulate engine alone"
            )
        if self.window not in WINDOW_IMAGE_SIZE:
            raise ValueError(f"unknown window {self.window!r}: choose from {', '.join(map(str, WINDOW_IMAGE_SIZE))}")

    def _check_sizes(self, has_objects: bool, has_rois: bool) -> None:
        if len(self.image_size) != 2 or any(not _is_count(side) or side < 1 for side in self.image_size):
            raise ValueError(f"image size {self.image_size} must be a height and a width in pixels")
        for side in self.image_size:
            if side % PATCH_SIZE:
                raise ValueError(f"image side {side} does not divide by the patch size {PATCH_SIZE}: use {_near(side)}")
        least = {
            "batch_size": 1,
            "batches": 1,
            "seed": 0,
            "gt_boxes": 1 if has_objects else 0,
            "rois_per_image": 4 if has_rois else 0,  # a quarter of them may be positive
        }
        for name, minimum in least.items():
            value = getattr(self, name)
            if not _is_count(value) or value < minimum:
                raise ValueError(
                    f"{name.replace('_', ' ')} must be a whole number of at least {minimum}, not {value!r}"
                )
        for name, wanted in (("gt_boxes", has_objects), ("rois_per_image", has_rois)):
            if getattr(self, name) and not wanted:
                raise ValueError(f"task {self.task} has no {name.replace('_', ' ')}: leave them at 0")

    def as_dict(self) -> dict[str, Any]:
        """The fields as they stand in a result line."""
        return {**asdict(self), "image_size": list(self.image_size)}

    @property
    def title(self) -> str:
        """One line for people."""
        height, width = self.image_size
        run = f" run of {self.batches} batches" if self.batches > 1 else ""
        return f"{self.task} {self.backbone} {self.method} {self.batch_size}x{height}x{width} {self.engine}{run}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _near(side: int) -> str:
    below = side // PATCH_SIZE * PATCH_SIZE
    return f"{below} or {below + PATCH_SIZE}" if below else str(PATCH_SIZE)
