"""The accuracy of each method as a picture."""

from pathlib import Path

import matplotlib.pyplot as plt

from bench.training.learn.settings import RANDOM
from bench.training.learn.study import Study
from bench.training.learn.table import Row, label_of, rows
from reports.plots.figures import DPI
from reports.plots.method_colours import colours_of


def plot_study(study: Study, path: Path) -> None:
    """Save a panel for each target: a bar for each method's mean, a point for each seed. Raises `OSError`."""
    targets = study.settings.targets
    figure, axes = plt.subplots(1, len(targets), figsize=(5 * len(targets), 4), sharey=True, squeeze=False)
    colours = colours_of([*study.settings.methods, RANDOM])
    for axis, target in zip(axes[0], targets, strict=True):
        shown = [row for row in rows(study) if row.target == target]
        for place, row in enumerate(shown):
            axis.bar(place, row.mean, color=colours[row.method], alpha=0.75)
            axis.plot([place] * len(row.mious), row.mious, "k.", markersize=5)
        axis.set_xticks(range(len(shown)), [_name(row) for row in shown], rotation=35, ha="right")
        axis.set_title(f"Fine-tuned on {target}")
        axis.set_ylim(0, 1)
    axes[0][0].set_ylabel("validation mIoU (measured)")
    figure.tight_layout()
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _name(row: Row) -> str:
    """Label of a bar, in two lines if it is long."""
    return label_of(row.method).replace(" from ", "\nfrom ")
