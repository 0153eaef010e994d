"""The command `fit`: what a card can train, printed."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict

from bench import display
from bench.case import Case
from bench.gpus import Gpu
from bench.own_fit import fit_own_step
from bench.search import search
from bench.simulation.oracles import Oracles


def methods(cases: Sequence[Case], card: Gpu, as_json: bool) -> None:
    """Print what one card can do with each case; they differ in their method."""
    rows = []
    with display.stderr.status("") as waiting:
        for case in cases:
            waiting.update(case.title)
            rows.append(search(case, card))
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)))
        return
    first = cases[0]
    height, width = first.image_size
    display.stdout.print(
        f"{card.label}, {card.usable_bytes / display.GIB:.2f} GiB usable; {first.task}, {first.backbone}, "
        f"{first.batch_size} x {height} x {width}, {first.precision}; simulated"
        + (f" over runs of {first.batches} batches" if first.batches > 1 else "")
    )
    display.stdout.print(display.headroom_table(rows))


def own_step(
    module: str,
    cards: Sequence[Gpu],
    batch_size: int | None,
    profile: str,
    precision: str,
    oracles: Oracles,
    as_json: bool,
) -> None:
    """Print what cards can do with the step that `FILE.py:NAME` builds."""
    with display.stderr.status(module), redirect_stdout(sys.stderr):  # what the step prints is no result
        rows = fit_own_step(module, cards, batch_size, profile, precision, oracles)
    for warning in rows[0].simulation.warnings:
        display.say(f"warning: {warning}")
    if as_json:
        for row in rows:
            print(json.dumps({"module": module, "profile": profile, "precision": precision, **row.to_fields()}))
        return
    display.stdout.print(f"{module}, {profile}, {precision}; simulated", markup=False)
    display.stdout.print(display.own_fit_table(rows))
    display.stdout.print(display.at_peak(rows[0].simulation), soft_wrap=True)
