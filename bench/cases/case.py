"""A case: everything that decides what one measurement shows. The command lines, titles and reports follow from it."""

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from bench.cases.batches import STRETCHES
from bench.cases.methods import METHODS
from bench.cases.tasks import FULL_ROIS_PER_IMAGE, WORKLOADS
from drystep.alloc_conf import AllocatorSettings
from drystep.bounds import require_whole, shown
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, PRECISIONS, PROFILES, VERSIONS, Rules
from drystep.errors import choose
from e3va.backbones.sizes import SWIN_SIZES, WINDOW_IMAGE_SIZE

TASKS = tuple(WORKLOADS)
TASKS_OWN: Any = None
"""Default of fields whose value the task knows: its own value takes their place."""
PROFILES_OWN: Any = None
"""Default of a field whose value the profile knows."""
ENGINES = ("simulate", "cpu", "cuda")
OPTIMIZERS = ("adamw",)
PATCH_SIZE = 4
LEAST_ROIS = 4
"""A quarter of them may be positive."""
MOST_IMAGES = 4096
"""Per GPU. These bounds lie far above what any card can train; beyond them, arithmetic of sizes may overflow."""
MOST_PIXELS = 65_536
"""Of a side of an image."""
MOST_BATCHES = 100_000
"""Of a run: COCO has 58,633 of two images each."""
MOST_OBJECTS = 65_536
"""In one image."""
MOST_ROIS = 1_000_000
"""Of one image in one stage of the cascade."""
LARGEST_SEED = 2**63 - 1
"""What every random generator that takes it can hold."""


@dataclass(frozen=True)
class Option:
    """What a field of `Case` is on the command line and in titles. It stands in the field's metadata."""

    help: str
    """Its help: a sentence."""
    choices: tuple[Any, ...] = ()
    """The values that it may have; any value of its type if there are none."""
    least: int | None = None
    """The least number that it may be."""
    most: int | None = None
    """The largest number that it may be."""
    words: str = ""
    """How a title says that it is not the default, with {} for the value; "" for the value alone."""


def option(default: Any, help: str, choices: Iterable[Any] = (), **stated: Any) -> Any:
    """A field of `Case`: its default, and what `Option` says about it."""
    return field(default=default, metadata={"option": Option(help, tuple(choices), **stated)})


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training step to measure, or a run of them, and how.

    Fields left out take the task's own value; "auto" picks an engine. Raises `ValueError` that lists the valid choices.
    A new field is one `option` here: the options of the commands, titles and columns of reports have it from then on.
    """

    task: str = field(metadata={"option": Option("Task to train.", tuple(WORKLOADS))})
    """voc (RetinaNet), ade20k (UPerNet) or coco (Cascade Mask R-CNN)."""
    method: str = field(metadata={"option": Option("Fine-tuning method; `bench list` has all names.")})
    """Name of a method in `bench.cases.methods`."""
    backbone: str = option(TASKS_OWN, "Backbone; default: the paper's for the task.", SWIN_SIZES)
    """Name of a Swin."""
    window: int = option(7, "Attention window.", WINDOW_IMAGE_SIZE, words="window {}")
    """Side of the windows in which attention works, in tokens."""
    batch_size: int = option(2, "Images per GPU.", least=1, most=MOST_IMAGES)
    """Images per GPU."""
    image_size: tuple[int, int] = option(
        TASKS_OWN, "Height and width in pixels, such as 800x1344; default: the task's."
    )
    """Height and width of the padded image, divisible by 4; in a run, of the largest that augmentation can make."""
    batches: int = option(
        1,
        "More than 1: a run of that many batches from the task's augmentation.",
        least=1,
        most=MOST_BATCHES,
        words="run of {} batches",
    )
    """1: steps on one batch of the stated size. More: a run of that many batches from the task's augmentation."""
    stretch: str = option("worst", "Which batches of an epoch a run takes.", STRETCHES, words="{} batches")
    """Which batches of an epoch a run takes: those up to the largest ("worst"), or those it begins with ("first")."""
    precision: str = option(DEFAULT_PRECISION, "Precision of the training.", PRECISIONS)
    """fp32, `torch.autocast` in a half precision, or NVIDIA Apex's O1."""
    optimizer: str = option("adamw", "Optimizer.", OPTIMIZERS)
    """Optimizer of all that trains."""
    engine: str = option("auto", "How to measure; auto takes cuda where there is a GPU, else simulate.", ENGINES)
    """simulate, cpu or cuda; auto takes cuda where there is a device, else simulate."""
    profile: str = option(DEFAULT_PROFILE, "Preset of the rules by which PyTorch allocates.", PROFILES)
    """Preset of the rules by which PyTorch allocates."""
    torch: str = option(
        PROFILES_OWN, "PyTorch whose rules count; default: the profile's.", VERSIONS, words="PyTorch {}"
    )
    """Version of PyTorch whose rules count."""
    ddp: bool = option(False, "Simulate a model that DistributedDataParallel wraps.")
    """Whether DistributedDataParallel wraps the model; a profile may say so, too."""
    cudnn_benchmark: bool = option(False, "Simulate cuDNN as it chooses kernels by trial.")
    """Whether cuDNN chooses its kernels by trial."""
    alloc_conf: str = option("", "Settings of the allocator, as in PYTORCH_CUDA_ALLOC_CONF.")
    """Settings of PyTorch's caching allocator."""
    gt_boxes: int = option(
        TASKS_OWN, "Objects per image; default: the task's.", least=0, most=MOST_OBJECTS, words="{} objects"
    )
    """Objects per image; 0 for a task without objects. A run draws them instead."""
    rois_per_image: int = option(
        TASKS_OWN, "RoIs per image and cascade stage; default: 512.", least=0, most=MOST_ROIS, words="{} RoIs"
    )
    """RoIs sampled per image and cascade stage; 0 for a detector without RoIs."""
    fused_attention: bool = option(False, "Compute attention in one kernel instead of explicitly.")
    """Attention as one kernel; explicit, as the paper measured, by default."""
    checkpointing: bool = option(False, "Recompute Swin blocks in backward (activation checkpointing).")
    """Recompute each Swin block in backward instead of keeping its activations."""
    bf16_trunk: bool = option(False, "Store and compute the frozen blocks beside E3VA's highway in bfloat16.")
    """Frozen blocks stored and computed in bfloat16 beside an E3VA highway; the rest in the case's precision."""
    seed: int = option(0, "Seed of weights and batches.", least=0, most=LARGEST_SEED, words="seed {}")
    """Seed of weights and batches."""

    def __post_init__(self) -> None:
        choose("task", self.task, TASKS)
        for name in OWN_FIELDS:
            if getattr(self, name) is None:
                object.__setattr__(self, name, _own_values(self.task)[name])
        choose("profile", self.profile, PROFILES)
        preset = PROFILES[self.profile]
        object.__setattr__(self, "torch", preset.torch if self.torch is None else self.torch)
        object.__setattr__(self, "ddp", self.ddp or preset.ddp)
        if type(self.image_size) is not tuple:
            object.__setattr__(self, "image_size", tuple(self.image_size))
        self._check_choices()
        self._check_combinations()
        self._check_sizes()
        if self.engine == "auto":
            object.__setattr__(self, "engine", "cuda" if _has_cuda() else "simulate")

    def _check_choices(self) -> None:
        choose("method", self.method, METHODS)
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                what = name.replace("_", " ")
                raise ValueError(f"unknown {what} {shown(value)}: choose from {', '.join(map(str, choices))}")

    def _check_combinations(self) -> None:
        if type(self.alloc_conf) is not str:
            raise ValueError(f"alloc conf must be a text as in PYTORCH_CUDA_ALLOC_CONF, got {shown(self.alloc_conf)}")
        AllocatorSettings.parse(self.alloc_conf)
        if self.bf16_trunk and not METHODS[self.method].lowers_trunk:
            able = ", ".join(name for name, method in METHODS.items() if method.lowers_trunk)
            raise ValueError(
                f"{self.method} has no frozen trunk beside fused adapters for bfloat16: take one of {able}"
            )
        if self.engine == "cpu" and (self.precision != "fp32" or self.fused_attention or self.bf16_trunk):
            raise ValueError(
                "the cpu engine trains in fp32 with explicit attention, because half precision and fused attention "
                "are other kernels on a GPU: take the simulate engine"
            )
        if self.engine == "cuda" and (self.precision == "apex-o1" or self.rules != PROFILES[DEFAULT_PROFILE]):
            raise ValueError(
                "the cuda engine measures the PyTorch that is installed: apex-o1 and rules of other versions, wrappers "
                "and allocators exist in the simulate engine alone"
            )
        if self.engine == "cpu" and self.cudnn_benchmark:
            raise ValueError("cudnn_benchmark is about kernels of a GPU, and the cpu engine has none: take simulate")

    def _check_sizes(self) -> None:
        if len(self.image_size) != 2:
            raise ValueError(f"image size {shown(self.image_size)} must be a height and a width in pixels")
        for side in self.image_size:
            require_whole("image side", side, 1, MOST_PIXELS)
            if side % PATCH_SIZE:
                raise ValueError(f"image side {side} does not divide by the patch size {PATCH_SIZE}: use {_near(side)}")
        workload = WORKLOADS[self.task]
        self._check_needed("gt_boxes", 1, workload.gt_boxes > 0)
        self._check_needed("rois_per_image", LEAST_ROIS, workload.has_rois)
        for name, (least, most) in BOUNDS.items():
            require_whole(name.replace("_", " "), getattr(self, name), least, most)
        if self.batches > 1 and self.gt_boxes != workload.gt_boxes:
            raise ValueError("a run of batches draws its objects per image: leave gt boxes out, or batches at 1")

    def _check_needed(self, name: str, least: int, has: bool) -> None:
        """A count that only some tasks have, and of which they need at least so many."""
        value, what = getattr(self, name), name.replace("_", " ")
        if has:
            require_whole(what, value, least, BOUNDS[name][1])
        elif value:
            raise ValueError(f"task {self.task} has no {what}: leave them at 0")

    def as_dict(self) -> dict[str, Any]:
        """The fields as they stand in a result line."""
        return {**vars(self), "image_size": list(self.image_size)}

    @property
    def rules(self) -> Rules:
        """The rules by which PyTorch allocates in a simulation."""
        return Rules(torch=self.torch, ddp=self.ddp, cudnn_benchmark=self.cudnn_benchmark, allocator=self.alloc_conf)

    @property
    def title(self) -> str:
        """One line for people: what is trained, how it is measured, and every setting that is not the default."""
        height, width = self.image_size
        first = f"{self.task} {self.backbone} {self.method} {self.batch_size}x{height}x{width} {self.engine}"
        return ", ".join([first, *self._unusual()])

    def _unusual(self) -> Iterable[str]:
        preset = PROFILES[self.profile]
        defaults = {**DEFAULTS, **_own_values(self.task), "torch": preset.torch, "ddp": preset.ddp}
        for name, stated in OPTIONS.items():
            value = getattr(self, name)
            if name in IN_FIRST_WORDS or value == defaults[name]:
                continue
            yield name.replace("_", " ") if value is True else (stated.words or "{}").format(value)


def _options(cases: type) -> dict[str, Option]:
    return {described.name: described.metadata["option"] for described in fields(cases)}


OPTIONS: Mapping[str, Option] = _options(Case)
"""Field of `Case` -> what it is on the command line, in order."""
CHOICES: Mapping[str, tuple[Any, ...]] = {
    name: ("auto", *stated.choices) if name == "engine" else stated.choices
    for name, stated in OPTIONS.items()
    if stated.choices
}
"""Field -> the values that a case may be built with."""
BOUNDS: Mapping[str, tuple[int, int]] = {
    name: (stated.least, stated.most)
    for name, stated in OPTIONS.items()
    if stated.least is not None and stated.most is not None
}
"""Field -> the least and the largest number that it may be."""
FIELDS: Mapping[str, Field[Any]] = {described.name: described for described in fields(Case)}
OWN_FIELDS = ("backbone", "image_size", "gt_boxes", "rois_per_image")
"""Fields whose value a task knows."""
DEFAULTS: Mapping[str, Any] = {name: described.default for name, described in FIELDS.items()}
IN_FIRST_WORDS = frozenset({"task", "backbone", "method", "batch_size", "image_size", "engine"})
"""Fields that every title names, whatever their value."""


def _own_values(task: str) -> dict[str, Any]:
    """Values that a task has of its own."""
    workload = WORKLOADS[task]
    return {
        "backbone": workload.backbone,
        "image_size": workload.image_size,
        "gt_boxes": workload.gt_boxes,
        "rois_per_image": FULL_ROIS_PER_IMAGE if workload.has_rois else 0,
    }


def _has_cuda() -> bool:
    import torch  # only here: command lines check their cases without it

    return torch.cuda.is_available()


def _near(side: int) -> str:
    below = side // PATCH_SIZE * PATCH_SIZE
    return f"{below} or {below + PATCH_SIZE}" if below else str(PATCH_SIZE)
