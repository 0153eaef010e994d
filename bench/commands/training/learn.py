"""`python -m bench learn`: pre-train, fine-tune with each method, and say which of them learn."""

import json
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bench.training.learn.settings import LearnSettings
from drystep.commands.exit_status import FAILED, OK
from drystep.commands.terminal import say, stdout
from drystep.errors import OutputError
from drystep.files.whole import require_folder, written_whole


def learn(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for learn.json, learn.md and learn.png.")],
    processes: Annotated[int, typer.Option(metavar="N", help="Runs side by side, each in one thread.")] = 2,
) -> int:
    """Pre-train a small Swin on made-up textures, and fine-tune it on others with each method over three seeds.

    Exit status 1 if a method does not learn better than another one that it must learn better than.
    """
    try:
        require_folder(out)
    except OSError as error:
        raise ValueError(f"cannot write to {out}: {error.strerror or error}") from error

    from bench.results.provenance import describe_cpu, describe_environment
    from bench.training.learn.plot import plot_study
    from bench.training.learn.study import run_study
    from bench.training.learn.table import comparisons, label_of, markdown, missing, rows

    started = time.monotonic()
    try:
        study = run_study(
            LearnSettings(),
            processes,
            lambda miou: say(f"pre-trained: mIoU {miou:.3f} on its own domain"),
            lambda run: say(
                f"{run.target}, seed {run.seed}, {label_of(run.method)}: mIoU {run.miou:.3f} ({run.seconds:.0f} s)"
            ),
        )
    except BrokenProcessPool as error:
        raise OutputError("a process of the study was ended from outside, perhaps for want of memory") from error
    found = comparisons(study)
    document = {
        "settings": asdict(study.settings),
        "source_miou": study.source_miou,
        "runs": [asdict(run) for run in study.runs],
        "rows": [asdict(row) | {"mean": row.mean, "spread": row.spread} for row in rows(study)],
        "comparisons": [asdict(each) | {"mean": each.mean, "shown": each.shown} for each in found],
        "environment": describe_environment("cpu", describe_cpu()),
        "seconds": time.monotonic() - started,
    }
    text = markdown(study)
    try:
        with written_whole(out) as unfinished:
            (unfinished / "learn.json").write_text(json.dumps(document, indent=2) + "\n")
            (unfinished / "learn.md").write_text(text)
            plot_study(study, unfinished / "learn.png")
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
    stdout.print(text, soft_wrap=True)
    lacking = missing(found)
    for each in lacking:
        say(f"unexpected: {label_of(each.better)} is not shown to be above {label_of(each.worse)} on {each.target}")
    return FAILED if lacking else OK
