"""Pre-training on the source domain, and one fine-tuning on a target."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.cases.methods import METHODS
from bench.training.evaluation.segmentation import MeanIoU
from bench.training.learn.domains import SOURCE, TARGETS, Domain, draw_mosaics
from bench.training.learn.model import LinearHead, Segmenter, build_backbone
from bench.training.learn.settings import RANDOM, LearnSettings

State = Mapping[str, Tensor]
PRETRAINING_SEED = 100
"""Far from the seeds of the fine-tunings, which draw other images."""
VALIDATION_SEED = 200
WARM_UP = 0.1
"""Part of the steps in which the learning rate rises; it falls by a cosine afterwards."""


@dataclass(frozen=True)
class Run:
    """A fine-tuning and what came of it."""

    target: str
    """Name of the domain."""
    method: str
    """Name of the method, or `RANDOM`."""
    seed: int
    miou: float
    """Mean IoU on the validation images, 0 to 1."""
    trained_parameters: int
    """Parameters of the backbone that trained."""
    seconds: float
    """How long training and validation took."""


def pretrain(settings: LearnSettings) -> tuple[State, float]:
    """Train the backbone on the source domain. Returns its state and the mIoU on the source's validation images."""
    torch.manual_seed(PRETRAINING_SEED)
    backbone = build_backbone(settings)
    model = Segmenter(backbone, LinearHead(backbone.out_channels, len(SOURCE.classes)))
    images, labels = draw_mosaics(SOURCE, settings.source_images, settings.image_side, PRETRAINING_SEED)
    _train(
        model, images, labels, settings, settings.pretraining_steps, settings.pretraining_batch,
        settings.full_learning_rate, PRETRAINING_SEED,
    )  # fmt: skip
    return backbone.state_dict(), _validate(model, SOURCE, settings)


def fine_tune(settings: LearnSettings, target: str, method: str, seed: int, pretrained: State) -> Run:
    """Fine-tune on a target. All methods of a seed have the same images in the same order, and the same head at first.

    `method` is a name of `METHODS`, or `RANDOM` for full fine-tuning from random weights.
    """
    started = time.perf_counter()
    domain = TARGETS[target]
    torch.manual_seed(seed)
    bare = build_backbone(settings)
    head = LinearHead(bare.out_channels, len(domain.classes))
    if method != RANDOM:
        bare.load_state_dict(pretrained)
    backbone = METHODS["full" if method == RANDOM else method].load().apply(bare)
    images, labels = draw_mosaics(domain, settings.target_images, settings.image_side, seed)
    model = Segmenter(backbone, head)
    _train(model, images, labels, settings, settings.steps, settings.batch, settings.rate_of(method), seed)
    miou = _validate(model, domain, settings)
    trained = sum(parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)
    return Run(target, method, seed, miou, trained, time.perf_counter() - started)


def _train(
    model: nn.Module, images: Tensor, labels: Tensor, settings: LearnSettings, steps: int, batch: int, rate: float,
    seed: int,
) -> None:  # fmt: skip
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=WARM_UP)
    model.train()
    for chosen in _order(len(images), batch, steps, seed):
        loss = F.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, settings.clip_norm)
        optimizer.step()
        schedule.step()


def _order(images: int, batch: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Indices (batch,) of each step's images; every image occurs once before one occurs again."""
    generator = torch.Generator().manual_seed(seed)
    passes = -(-steps * batch // images)
    order = torch.cat([torch.randperm(images, generator=generator) for _ in range(passes)])
    yield from order[: steps * batch].split(batch)


@torch.no_grad()
def _validate(model: nn.Module, domain: Domain, settings: LearnSettings) -> float:
    """Mean IoU on the validation images of a domain."""
    images, labels = draw_mosaics(
        domain, settings.validation_images, settings.image_side, VALIDATION_SEED, validation=True
    )
    model.eval()
    accuracy = MeanIoU(len(domain.classes))
    for some, truth in zip(images.split(20), labels.split(20), strict=True):
        for prediction, label_map in zip(model(some).argmax(1), truth, strict=True):
            accuracy.update(prediction, label_map)
    return float(accuracy.compute()["mIoU"])
