"""What a study shows: means and spreads by method, and which differences are beyond noise."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.cases.methods import METHODS
from bench.training.learn.settings import RANDOM
from bench.training.learn.study import Study

COMPARISONS = (("full", "fixed"), ("full", RANDOM), ("e3va", "fixed"))
"""Pairs of methods of which the first should learn the target better than the second."""

REQUIRED = {
    ("angles", "full", "fixed"),
    ("angles", "e3va", "fixed"),
    ("kinds", "full", "fixed"),
    ("kinds", "full", RANDOM),
    ("kinds", "e3va", "fixed"),
}
"""Target and pair of methods of what a study must show. Left out is what it cannot: the pre-training does not help to
learn `angles`, where a Swin from random weights learns as much in the same steps."""


@dataclass(frozen=True)
class Row:
    """A method's accuracy on a target."""

    target: str
    method: str
    trained_parameters: int
    """Parameters of the backbone that trained."""
    mious: tuple[float, ...]
    """One for each seed, in the order of the seeds, 0 to 1."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.mious)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds."""
        return spread(self.mious)


@dataclass(frozen=True)
class Comparison:
    """Two methods on a target, paired by seed."""

    target: str
    better: str
    """The method that should be better."""
    worse: str
    differences: tuple[float, ...]
    """mIoU of the first minus that of the second, for each seed."""

    @property
    def mean(self) -> float:
        """Mean difference."""
        return statistics.fmean(self.differences)

    @property
    def shown(self) -> bool:
        """Whether the first is better for every seed, and on average by more than the differences spread."""
        return min(self.differences) > 0 and self.mean > spread(self.differences)


def rows(study: Study) -> list[Row]:
    """One row for each target and method."""
    found = []
    for target in study.settings.targets:
        for method in (*study.settings.methods, RANDOM):
            runs = [run for run in study.runs if (run.target, run.method) == (target, method)]
            found.append(Row(target, method, runs[0].trained_parameters, tuple(run.miou for run in runs)))
    return found


def comparisons(study: Study) -> list[Comparison]:
    """Those of `COMPARISONS` on each target whose methods were studied."""
    by_name = {(row.target, row.method): row.mious for row in rows(study)}
    return [
        Comparison(
            target,
            better,
            worse,
            tuple(a - b for a, b in zip(by_name[target, better], by_name[target, worse], strict=True)),
        )
        for target in study.settings.targets
        for better, worse in COMPARISONS
        if {(target, better), (target, worse)} <= by_name.keys()
    ]


def missing(found: Sequence[Comparison]) -> list[Comparison]:
    """What is required and not shown."""
    return [each for each in found if (each.target, each.better, each.worse) in REQUIRED and not each.shown]


def label_of(method: str) -> str:
    """Name of a method in tables."""
    return "Full from random weights" if method == RANDOM else METHODS[method].label


def sentence(comparison: Comparison) -> str:
    """What a comparison shows, or that it does not show it."""
    verb = "learns" if comparison.shown else "is NOT SHOWN to learn"
    differences = ", ".join(f"{difference:+.3f}" for difference in comparison.differences)
    return (
        f"On {comparison.target}, {label_of(comparison.better)} {verb} better than {label_of(comparison.worse)}: "
        f"mIoU differs by {comparison.mean:+.3f} on average, by {differences} for the seeds."
    )


def markdown(study: Study) -> str:
    """The table and what it shows, as a document."""
    seeds = study.settings.seeds
    lines = [
        "# Do the methods learn?",
        "",
        "A small Swin was pre-trained on made-up textures and fine-tuned on others, with a linear head. All mIoU are",
        f"measured on validation images, over {len(seeds)} seeds. On its own domain, the pre-trained model reaches",
        f"{study.source_miou:.3f}. These figures say nothing about the accuracy on real images.",
        "",
        "| target | method | backbone parameters that train | mIoU, mean | spread | "
        + " | ".join(f"seed {seed}" for seed in seeds)
        + " |",
        "|---|---|---:|---:|---:|" + "---:|" * len(seeds),
    ]
    for row in rows(study):
        values = (f"{row.mean:.3f}", f"{row.spread:.3f}", *(f"{miou:.3f}" for miou in row.mious))
        cells = (row.target, label_of(row.method), f"{row.trained_parameters:,}", *values)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {sentence(comparison)}" for comparison in comparisons(study)), ""]
    return "\n".join(lines)


def spread(values: Sequence[float]) -> float:
    """Standard deviation of a sample; 0 for a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
