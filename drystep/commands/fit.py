"""`drystep fit FILE.py:NAME`: does a training step fit, how much room is left, how large a batch would fit?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from drystep.bounds import require_whole
from drystep.commands.assumption_lines import print_assumptions, print_shares
from drystep.commands.exit_status import DOES_NOT_FIT, FAILED, OK
from drystep.commands.step_options import (
    DEFAULT_TIME_LIMIT_S,
    AllocConf,
    CudnnBenchmark,
    Ddp,
    GpuFiles,
    Gpus,
    OracleTexts,
    Profile,
    Strict,
    TimeLimit,
    TorchVersion,
    parse_oracles,
)
from drystep.commands.terminal import mib_cell, plain_table, say, stderr, stdout
from drystep.commands.time_tables import remarks, throughput_table, times_table
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, PRECISIONS, combined
from drystep.errors import choose, shortened
from drystep.gpus.classes import select_gpus
from drystep.time.gradient_exchange import MOST_RANKS
from drystep.units import ABSENT, GIB

SESSION = "drystep.fit.session:FitSession"
Row = Mapping[str, Any]


def fit(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE.py:NAME", help="Function that takes a device and returns one training step."),
    ],
    gpus: Gpus = [],
    batch_size: Annotated[
        int | None,
        typer.Option(help="Passed on to a function that takes batch_size. Default: its own default, or 2."),
    ] = None,
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(PRECISIONS)}.")] = DEFAULT_PRECISION,
    profile: Profile = DEFAULT_PROFILE,
    torch_version: TorchVersion = None,
    ddp: Ddp = None,
    cudnn_benchmark: CudnnBenchmark = None,
    alloc_conf: AllocConf = None,
    ranks: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes of DistributedDataParallel, one per card of one machine. The step's time is predicted with "
            "their exchange of gradients; --ddp is implied.",
        ),
    ] = None,
    throughput: Annotated[
        bool,
        typer.Option(
            "--throughput", help="Predict images per second, from --batch-size to the largest batch that fits."
        ),
    ] = False,
    oracles: OracleTexts = [],
    assumptions: Annotated[
        bool,
        typer.Option(
            "--assumptions", help="List what the step reads of values and how it was answered, and what hangs on it."
        ),
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Only run the step on the CPU, with batch_size=1, and print how many rows it selects there."
        ),
    ] = False,
    strict: Strict = False,
    gpu_files: GpuFiles = [],
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT_S,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, one per GPU class.")] = False,
) -> int:
    """Judge a training step for GPU classes, and find the largest batch that fits. Memory is simulated, time predicted.

    The file runs in a process of its own. Exit status: 0 the step fits every card that --gpu names, 3 it does not fit
    one of them, or fits it with only some convolution algorithms, 1 the step failed, 2 the command was wrong.
    """
    cards = select_gpus(gpus, gpu_files)
    choose("precision", precision, PRECISIONS)
    if ranks is not None:
        require_whole("ranks", ranks, 1, MOST_RANKS)
        if ddp is False:
            raise ValueError("--ranks counts processes of DistributedDataParallel: leave --no-ddp out")
        ddp = True
    if probe:
        _require_alone(
            {
                "--batch-size": batch_size is not None, "--ranks": ranks is not None, "--throughput": throughput,
                "--oracle": oracles, "--assumptions": assumptions, "--strict": strict,
            }
        )  # fmt: skip
    rules = combined(profile, torch_version, ddp, cudnn_benchmark, alloc_conf)
    stated = parse_oracles(oracles)
    file = _file_of(target)
    arguments = {
        "target": target,
        "gpus": [asdict(card) for card in cards],
        "batch_size": batch_size,
        "rules": rules.as_dict(),
        "precision": precision,
        "oracles": asdict(stated),
        "ranks": ranks,
        "with_throughput": throughput,
        "strict": strict,
        "with_hinges": assumptions,
    }
    with stderr.status(target):
        answer = _ask("probe" if probe else "fit", arguments, file.resolve().parent, time_limit)
    if "wrong" in answer:
        raise ValueError(answer["wrong"])
    if "failed" in answer:
        say(f"error: {answer['failed']}")
        return FAILED
    if probe:
        print_shares(answer["shares"], as_json)
        return OK
    rows: list[Row] = answer["rows"]
    for warning in rows[0]["warnings"]:
        say(f"warning: {warning}")
    if as_json:
        for row in rows:
            print(json.dumps({"module": target, "rules": rules.as_dict(), "precision": precision, **row}))
    else:
        settings = "" if rules.allocator else str(rules.allocator_settings)  # those of the environment
        title = ", ".join(filter(None, (target, rules.title, settings, precision)))
        _show(rows, f"{title}; simulated", {card.name: card.label for card in cards}, assumptions)
    return DOES_NOT_FIT if gpus and any(row["verdict"] in ("oom", "depends") for row in rows) else OK


def _require_alone(given: Mapping[str, object]) -> None:
    """Raise `ValueError` if options are given that mean nothing to a real run."""
    names = [name for name, value in given.items() if value]
    if names:
        raise ValueError(
            f"--probe only runs the step on the CPU, with batch_size=1: leave {' and '.join(names)} out of this run"
        )


def _file_of(target: str) -> Path:
    """The file that a target names. Raises `ValueError` for another form, or where there is no such file."""
    file, colon, name = target.rpartition(":")
    if not (file and colon and name):
        raise ValueError(f"{target!r} is not FILE.py:NAME, such as train.py:build_step")
    path = Path(file)
    try:
        there = path.is_file()
    except (OSError, ValueError) as error:  # no name that a file can have
        raise ValueError(f"cannot read {shortened(file)}: {getattr(error, 'strerror', error)}") from error
    if not there:
        raise ValueError(f"cannot read {shortened(file)}: no such file")
    if path.suffix != ".py":
        raise ValueError(f"{file} is not a Python file: its name must end in .py")
    return path


def _ask(question: str, arguments: Mapping[str, Any], folder: Path, time_limit_s: float) -> dict[str, Any]:
    """Judge the step in a child that imports from the file's folder first, as Python does for a program it runs."""
    from drystep.measure.failure import ChildError
    from drystep.measure.parent import Child

    try:
        with Child(SESSION, arguments, time_limit_s, folders=[folder]) as child:
            return child.call(question)
    except ChildError as error:
        return {"failed": str(error)}


def _show(rows: Sequence[Row], title: str, labels: Mapping[str, str], with_all: bool) -> None:
    stdout.print(title)
    columns = ["GPU", "verdict", "headroom GiB", "allocated MiB", "reserved MiB", "alloc retries", "largest batch"]
    table = plain_table(columns)
    for row in rows:
        left, largest = row["headroom_bytes"], row["largest_batch"]
        table.add_row(
            labels[row["gpu"]],
            row["verdict"].replace("_", " "),
            ABSENT if left is None else f"{left / GIB:.2f}",
            mib_cell(row["uncapped"]["peak_allocated_bytes"]),
            mib_cell(row["uncapped"]["peak_reserved_bytes"]),
            str(row["alloc_retries"]),
            ABSENT if largest is None else str(largest),
        )
    stdout.print(table)
    stdout.print(_at_peak(rows[0]["uncapped"]), soft_wrap=True)
    chosen = _by_choice(rows[0]["uncapped"])
    if chosen:
        stdout.print(chosen, soft_wrap=True)
    _show_times(rows, labels)
    print_assumptions(rows[0], with_all)


def _show_times(rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    """The predicted times."""
    if any(row["step_ms"] is not None for row in rows) or rows[0]["ranks"] is not None:
        stdout.print(_times_title(rows[0]["ranks"]), soft_wrap=True)
        stdout.print(times_table(rows, labels))
    if rows[0]["throughput"] is not None:
        stdout.print("Predicted images per second and card:")
        stdout.print(throughput_table(rows, labels))
    for remark in remarks(rows, labels):
        stdout.print(remark, soft_wrap=True)


def _times_title(ranks: int | None) -> str:
    meaning = (
        "four of five steps like it lie in the interval; measured: part of the time that rests on measured operators"
    )
    if ranks is None:
        return f"Predicted time of a step ({meaning}):"
    return f"Predicted for {ranks} ranks of DistributedDataParallel, one per card of one machine ({meaning}):"


def _by_choice(uncapped: Row) -> str:
    """How far the peaks depend on cuDNN's choice of algorithms; "" where they do not."""
    parts = []
    for name in ("allocated", "reserved"):
        least, most = uncapped[f"peak_{name}_interval_bytes"]
        if least != most:
            parts.append(f"{mib_cell(least)} to {mib_cell(most)} {name}")
    return f"By the convolution algorithms that cuDNN chooses (MiB): {', '.join(parts)}" if parts else ""


def _at_peak(uncapped: Row) -> str:
    """What is alive at the peak, the largest first."""
    parts = sorted(uncapped["at_peak"].items(), key=lambda part: -part[1])
    alive = ", ".join(f"{name.replace('_', ' ')} {mib_cell(size_bytes)}" for name, size_bytes in parts if size_bytes)
    return f"At the peak, in the {uncapped['peak_phase']} pass (MiB): {alive}".replace("optimizer pass", "optimizer")
