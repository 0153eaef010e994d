"""`drystep calibrate`: a card's peaks from the card at hand, or its factors from a table of measured steps."""

from pathlib import Path
from typing import Annotated

import typer

from drystep.commands.exit_status import OK
from drystep.commands.terminal import say
from drystep.errors import OutputError
from drystep.files.whole import require_folder
from drystep.gpus.classes import add_gpu, class_name, require_name, require_new_gpu, select_gpu

Table = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="TABLE.csv",
        help="Fit the card's factors to measured steps: columns spec (timm:NAME), batch, size, precision, milliseconds "
        "of a step, and if they differ from train, nchw and the newest: mode, layout, torch.",
    ),
]


def calibrate(
    name: Annotated[str | None, typer.Option(help="Name of the class; default: the device's own.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Append the block to this file, for --gpu-file; with --from, write the calibration there."),
    ] = None,
    table: Table = None,
    gpu: Annotated[str | None, typer.Option(help="With --from: GPU class on which the steps were measured.")] = None,
    gpu_file: Annotated[list[Path] | None, typer.Option(help="TOML file with further GPU classes.")] = None,
    source: Annotated[str, typer.Option(help="With --from: where the measured steps come from.")] = "",
    measured_with: Annotated[str, typer.Option(help="With --from: versions and settings of the measurement.")] = "",
) -> int:
    """Measure the card at hand, and print the block that describes it in a file of GPU classes.

    With --from, fit instead how much longer than its peaks a card's kernels take, from a table of measured steps of
    timm's models. The result says how well it predicts families of models that it has not seen.
    """
    if table is not None:
        return _from_table(table, gpu, gpu_file or [], out, source, measured_with)
    if gpu is not None or source or measured_with or gpu_file:
        raise ValueError("--gpu, --gpu-file, --source and --measured-with belong to --from TABLE.csv")
    return _at_hand(name, out)


def _at_hand(name: str | None, out: Path | None) -> int:
    if name is not None:
        require_name(name)

    import torch

    from drystep.time.calibrate import measured_block

    if not torch.cuda.is_available():
        raise ValueError(
            "no CUDA device: calibrate measures the card at hand; write a block by hand for another, or give measured "
            "steps with --from TABLE.csv"
        )
    device = torch.device("cuda", torch.cuda.current_device())
    label = torch.cuda.get_device_name(device)
    name = name or class_name(label)
    if out is not None:
        _require(out, name)
    say(f"measuring {label}, under two minutes")
    block = measured_block(device, name)
    if out is None:
        print(block, end="")
    else:
        try:
            add_gpu(out, name, block)
        except (OSError, ValueError) as error:
            print(block, end="")  # what was measured is not lost
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise OutputError(f"cannot write GPU classes to {out}: {reason}; the new one is on stdout") from error
        say(f"{out} has {name}: use it with --gpu-file {out} --gpu {name}")
    return OK


def _from_table(
    table: Path, gpu: str | None, gpu_files: list[Path], out: Path | None, source: str, measured_with: str
) -> int:
    if gpu is None:
        raise ValueError("--from needs --gpu, the class on which the steps were measured: `drystep gpus` lists all")
    card = select_gpu(gpu, gpu_files)
    out = out or Path(f"{card.name}.json")
    _require_writable(out)

    from drystep.calibration.fitting import calibrate, columns_of, count_all
    from drystep.calibration.step_table import read_table, require_fittable
    from drystep.time.calibrated.calibration import write_calibration

    rows = read_table(table)
    require_fittable(table, rows)
    say(f"tracing {len(rows)} measured steps, about a second each on one core")
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if done % 50 == 0:
            say(f"{done} steps traced")

    try:
        columns = columns_of(rows, count_all(rows, count), card)
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error
    calibration = calibrate(rows, columns, card, source or table.name, measured_with or "not stated")
    write_calibration(calibration, out)
    errors = calibration.errors
    print(
        f"{card.name}, {calibration.mode}: {errors.steps} steps of {calibration.families} families; families predicted "
        f"by the others: mean error {errors.mean:.1f} %, median {errors.median:.1f} %, 90th percentile "
        f"{errors.percentile_90:.1f} %"
    )
    say(f'{out} has the factors: a GPU class takes them by factors = "{out}" in a file for --gpu-file')
    return OK


def _require(out: Path, name: str) -> None:
    """Raise `ValueError` if the class could not be added to the file."""
    try:
        require_folder(out.parent)
        require_new_gpu(out, name)
    except OSError as error:
        raise ValueError(f"cannot write GPU classes to {out}: {error.strerror or error}") from error


def _require_writable(out: Path) -> None:
    try:
        require_folder(out.parent)
    except OSError as error:
        raise ValueError(f"cannot write the calibration to {out}: {error.strerror or error}") from error
    if out.is_dir():
        raise ValueError(f"cannot write the calibration to {out}: it is a folder")
