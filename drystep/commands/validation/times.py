"""`drystep validate --time`: errors of predicted step times by card, mode, layout and precision."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from drystep.calibration.validation import Claim, TimeErrors, claims, shipped_errors, table_errors
from drystep.commands.exit_status import OK
from drystep.commands.terminal import plain_table, say, stdout
from drystep.gpus.classes import Gpu, select_gpu

COLUMNS = ("GPU", "mode", "layout", "precision", "steps", "mean", "median", "p90", "roofline", "inside")


def validate_times(table: Path | None, gpu: str | None, as_json: bool) -> int:
    """Print the errors of the shipped calibrations, or of what is predicted for a table's steps on a card.

    Raises `ValueError` for a table without a card, a card without a table, and a table that cannot be read.
    """
    if (table is None) != (gpu is None):
        raise ValueError("--steps TABLE.csv and --gpu belong together; `drystep gpus` lists the cards")
    found = shipped_errors() if table is None or gpu is None else _of_table(table, select_gpu(gpu))
    said = claims()
    if as_json:
        for errors in found:
            print(json.dumps({"time": asdict(errors)}))
        for claim in said:
            print(json.dumps({"claim": asdict(claim)}))
    else:
        _show(found, said, of_table=table is not None)
    return OK


def _of_table(table: Path, card: Gpu) -> list[TimeErrors]:
    from drystep.calibration.fitting import count_all
    from drystep.calibration.step_table import read_table

    rows = read_table(table)
    say(f"tracing {len(rows)} measured steps, about a second each on one core")
    try:
        return table_errors(rows, count_all(rows, lambda: None), card, table.name)
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error


def _show(found: Sequence[TimeErrors], said: Sequence[Claim], of_table: bool) -> None:
    rows = plain_table(list(COLUMNS), left=4)
    for errors in found:
        figures = errors.part.errors
        rows.add_row(
            errors.card, errors.mode, errors.part.layout, errors.part.precision, str(figures.steps),
            *(f"{value:.1f}" for value in (figures.mean, figures.median, figures.percentile_90)),
            f"{figures.roofline_mean:.1f}", f"{figures.inside:.0f}",
        )  # fmt: skip
    stdout.print(_meaning(of_table), soft_wrap=True)
    stdout.print(rows)
    for errors in found:
        worst = ", ".join(f"{family} {percent:+.0f} %" for family, percent in errors.part.worst_families.items())
        if worst:
            name = f"{errors.card}, {errors.mode}, {errors.part.layout}, {errors.part.precision}"
            stdout.print(f"Worst families, {name}: {worst}.", soft_wrap=True)
    for source in dict.fromkeys((errors.card, errors.mode, errors.source) for errors in found):
        stdout.print(f"Measured steps of {source[0]}, {source[1]}: {source[2]}.", soft_wrap=True)
    for claim in said:
        stdout.print(
            f"{claim.predictor} claims a mean error of {claim.mean_percent:g} % on {claim.on} ({claim.source}).",
            soft_wrap=True,
        )


def _meaning(of_table: bool) -> str:
    errors = "absolute errors in percent; roofline: mean error of the card's peaks alone; inside: percent of the steps"
    if of_table:
        return f"Predicted beside measured step times ({errors} within the predicted interval):"
    return (
        "Step times of families of models, predicted by factors that were fitted to the other families "
        f"({errors} within the predicted interval):"
    )
