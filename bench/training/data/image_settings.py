"""How images are augmented in training and sized in evaluation, for each task.

The numbers follow the authors' released configurations, which are those of mmdetection and mmsegmentation for Swin.
"""

from dataclasses import dataclass

from bench.cases.batches import COCO_CROP, COCO_SHORT_SIDES, COCO_SHORT_SIDES_BEFORE_CROP, DIVISOR
from bench.cases.tasks import WORKLOADS


@dataclass(frozen=True, kw_only=True)
class ResizeSettings:
    """Resizing that keeps the aspect ratio: to the largest size within a short and a long side."""

    short_sides: tuple[int, ...]
    """Pixels; one is drawn for each image."""
    long_side: int
    """Pixels."""
    scales: tuple[float, float] = (1.0, 1.0)
    """Both sides are multiplied by a number drawn between these (`ratio_range` of mmsegmentation's `Resize`)."""


@dataclass(frozen=True, kw_only=True)
class RangeCropSettings:
    """Half of the images are resized and cropped before they are resized as all are (DETR's second policy)."""

    resize: ResizeSettings
    """Resizing before the crop."""
    sides: tuple[int, int]
    """Least and largest height and width of the crop in pixels (`RandomCrop` with `absolute_range`). A crop without an
    object stays (`allow_negative_crop=True`)."""
    share: float = 0.5
    """Share of the images to which this happens (`AutoAugment` draws one of two policies)."""


@dataclass(frozen=True, kw_only=True)
class LabelCropSettings:
    """A crop of fixed size in which no class fills too much (mmsegmentation's `RandomCrop`)."""

    size: tuple[int, int]
    """Height and width in pixels. An image that is smaller is padded."""
    largest_share: float = 0.75
    """Largest share of one class in the labelled pixels (`cat_max_ratio`)."""
    tries: int = 10
    """Crops that are tried; the one after them is taken as it is."""


@dataclass(frozen=True, kw_only=True)
class DistortionSettings:
    """Distortion of colours, each with probability 0.5 (mmsegmentation's `PhotoMetricDistortion` and its defaults)."""

    brightness: int = 32
    """Largest number that is added to or subtracted from all values, of 255."""
    contrast: tuple[float, float] = (0.5, 1.5)
    """Factors of all values."""
    saturation: tuple[float, float] = (0.5, 1.5)
    """Factors of the saturation in HSV."""
    hue: int = 18
    """Largest shift of the hue, of 180 (OpenCV's unit of two degrees)."""


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Augmentation in training, size in evaluation, and normalisation."""

    train: ResizeSettings
    """Resizing of training images ([C]: `Resize` of each task's train_pipeline)."""
    test: ResizeSettings
    """Resizing in evaluation, of one whole image ([C]: test_pipeline without flip and further scales)."""
    range_crop: RangeCropSettings | None = None
    """Crop before the resize; COCO's configuration has one ([C]: the AutoAugment of Swin's Cascade Mask R-CNN)."""
    label_crop: LabelCropSettings | None = None
    """Crop after the resize; ADE20K's configuration has one ([C]: crop_size, cat_max_ratio)."""
    distortion: DistortionSettings | None = None
    """Distortion of colours; ADE20K's configuration has one ([C]: PhotoMetricDistortion)."""
    flip: float = 0.5
    """Probability of a horizontal flip ([C]: flip_ratio, or prob)."""
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """Mean of red, green and blue in ImageNet, of 255 ([C]: img_norm_cfg)."""
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """Standard deviation of red, green and blue in ImageNet, of 255 ([C]: img_norm_cfg)."""
    divisor: int = DIVISOR
    """The sides of a batch are padded to multiples of this, with 0 after normalisation ([C]: Pad, size_divisor)."""
    ignores_regions: bool = True
    """Whether background is not learned where crowds and difficult objects are. The released configurations learn it
    there: their assigners have `ignore_iof_thr=-1`, as those of mmdetection's RetinaNet and Cascade R-CNN."""
    group_by_aspect: bool = True
    """Whether all images of a batch are wider than high, or none is (mmdetection's `GroupSampler`)."""


IMAGE_SETTINGS = {
    "voc": ImageSettings(
        train=ResizeSettings(short_sides=(600,), long_side=1000),
        test=ResizeSettings(short_sides=(600,), long_side=1000),
    ),
    "coco": ImageSettings(
        train=ResizeSettings(short_sides=tuple(COCO_SHORT_SIDES), long_side=1333),
        test=ResizeSettings(short_sides=(800,), long_side=1333),
        range_crop=RangeCropSettings(
            resize=ResizeSettings(short_sides=COCO_SHORT_SIDES_BEFORE_CROP, long_side=1333), sides=COCO_CROP
        ),
    ),
    "ade20k": ImageSettings(
        train=ResizeSettings(short_sides=(512,), long_side=2048, scales=(0.5, 2.0)),
        test=ResizeSettings(short_sides=(512,), long_side=2048),
        label_crop=LabelCropSettings(size=WORKLOADS["ade20k"].image_size),
        distortion=DistortionSettings(),
        group_by_aspect=False,
    ),
}
"""Task -> the settings of the authors' configuration."""

MADE_IMAGE_SETTINGS = {
    "voc": ImageSettings(
        train=ResizeSettings(short_sides=(128,), long_side=192),
        test=ResizeSettings(short_sides=(128,), long_side=192),
    ),
    "coco": ImageSettings(
        train=ResizeSettings(short_sides=(104, 112, 120), long_side=160),
        test=ResizeSettings(short_sides=(112,), long_side=160),
    ),
    "ade20k": ImageSettings(
        train=ResizeSettings(short_sides=(96,), long_side=384, scales=(0.75, 1.5)),
        test=ResizeSettings(short_sides=(96,), long_side=384),
        label_crop=LabelCropSettings(size=(96, 96)),
        distortion=DistortionSettings(),
        group_by_aspect=False,
    ),
}
"""Task -> settings for sets that a program drew: augmentation at sizes that a small Swin learns on a CPU in minutes.

The last stage of a Swin (stride 32) has at least 3 × 3 cells, and a window of 7 never covers the first two stages.
"""
