"""`python -m bench evaluate`: the accuracy of trained runs."""

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.training.progress import say_remarks
from drystep.bounds import require_whole
from drystep.commands.exit_status import OK
from drystep.commands.terminal import plain_table, print_table, say, stderr

SHOWN = ("AP50", "AP50_area", "bbox_AP", "bbox_AP50", "bbox_AP75", "segm_AP", "segm_AP50", "mIoU", "pixel_accuracy")
"""Metrics that are printed; `accuracy.json` has all."""


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs of `bench train`.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set, in its real format.")],
    workers: Annotated[int, typer.Option(help="Processes that load images.")] = 2,
    device: Annotated[str, typer.Option(help="cuda, cpu, or auto, which takes CUDA where there is a device.")] = "auto",
) -> int:
    """Evaluate runs on the validation images, by the data set's rules; write accuracy.json into each run's folder."""
    require_whole("workers", workers, 0, 1024)
    from bench.training.accuracy import evaluate as evaluate_run
    from bench.training.data.open_data import open_data
    from bench.training.processes import device_of
    from bench.training.run import read_run

    place = device_of(device)
    read = [(folder, read_run(folder)) for folder in runs]
    found = [(run, open_data(run.case.task, data, "val")) for _, run in read]
    for _, data_set in found:
        say_remarks(data_set)
    names: dict[str, None] = {}
    rows = []
    for (folder, _), (run, data_set) in zip(read, found, strict=True):
        with stderr.status(run.name) as status:
            total = len(data_set.entries)
            accuracy = evaluate_run(
                folder, run, data_set, place, workers,
                lambda done: status.update(f"{run.name}: {done} of {total} images"),  # noqa: B023  # used at once
                say,
            )  # fmt: skip
        metrics = {name: accuracy["metrics"][name] for name in SHOWN if name in accuracy["metrics"]}
        names |= dict.fromkeys(metrics)
        rows.append((run.name, metrics))
    table = plain_table(["run", *(f"{name} %" for name in names)])
    for name, metrics in rows:
        table.add_row(name, *(_percent(metrics.get(metric)) for metric in names))
    print_table(table)
    return OK


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
