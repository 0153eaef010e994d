"""Step times predicted for cards that nobody here owns: Table 3, images per second, and how good predictions are."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.cells import MISSING, OOM, Column, number, signed
from reports.escaping import markdown_cell
from reports.forms import is_as_published
from reports.ratios import FULL, percent_above, percent_of_full
from reports.records import Record, cards_of, label_of, method_key, published, select, settings_of
from reports.tables import TASKS, Table
from reports.times.predicted import PAPERS_CARD
from reports.times.shares import shares_of_full

BACKBONES = {"voc": "swin_large", "ade20k": "swin_large", "coco": "swin_base"}
BATCH_SIZE = 2


def predicted_tables(frame: pd.DataFrame) -> list[Table]:
    """Table 3 at full size, one per task: what each card would take, beside the paper and what was measured."""
    found = [(task, _predicted(frame, task, BATCH_SIZE)) for task in TASKS]
    return [_table3(frame, task, rows) for task, rows in found if not rows.empty and _cards(rows)]


def _table3(frame: pd.DataFrame, task: str, rows: pd.DataFrame) -> Table:
    paper = _paper(task, rows)
    columns: list[Column] = [("Method", [label_of(method) for method in rows["method"]])]
    shares = {card: percent_of_full(_times(rows, card)) for card in _cards(rows)}
    for card, share in shares.items():
        times = _times(rows, card)
        columns += [
            (f"{card} ms", number(times)),
            ("four of five", _intervals(rows, card)),
            ("images/s", number(1e3 * BATCH_SIZE / times, 1)),
            ("% of Full", number(share, 1)),
        ]
    compared = shares.get(PAPERS_CARD, next(iter(shares.values())))
    columns += [("paper % of Full", number(paper, 1)), ("points", signed(compared - paper))]
    measured = _measured(frame, rows)
    if measured["step_ms"].notna().any():
        in_turns = shares_of_full(measured, FULL).cells(100.0)
        columns += [("measured ms", number(measured["step_ms"], 1)), ("% of Full", in_turns)]
    said = rows.iloc[0].map(markdown_cell)
    scaled = [
        markdown_cell(card) for card in shares if any(_entry(times, card).get("scaled") for times in rows["predicted"])
    ]
    caption = (
        f"**Predicted**: {said['batch_size']} images of {said['image_size']}, {said['precision']}, AdamW. How much "
        "longer than the card's peaks say kernels take was measured on single operators and on steps of other models; "
        f"scaled from another card or precision: {', '.join(scaled) or 'none'}. *Four of five*: interval that holds "
        f"four of five measured steps of models that the factors have not seen. {_agreement(compared, paper)} The "
        "paper's hours are whole trainings on GPUs that it does not name, with data loading and evaluation in them; "
        "nothing here is fitted to them."
    )
    return Table(f"Table 3 predicted. {TASKS[task]}, {rows.iloc[0]['backbone']}", caption, columns)


def _intervals(rows: pd.DataFrame, card: str) -> list[str]:
    """Least and most of the times, as "290 to 345"; a dash where results have none."""
    entries = [_entry(times, card) for times in rows["predicted"]]
    found = [(entry.get("least_ms"), entry.get("most_ms")) for entry in entries]
    return [MISSING if None in pair else f"{pair[0]:,.0f} to {pair[1]:,.0f}" for pair in found]


def _agreement(share: pd.Series, paper: pd.Series) -> str:
    """Rank correlation (Spearman's, ties sharing their rank) and mean difference of what both have."""
    both = pd.DataFrame({"ours": share, "paper": paper}).dropna()
    if len(both) < 3:
        return ""
    ranks = both.rank()
    difference = (both["ours"] - both["paper"]).abs().mean()
    # Equal figures have no order to compare.
    ordered = ranks.nunique().min() > 1
    correlation = f"rank correlation {ranks['ours'].corr(ranks['paper']):.3f}, " if ordered else ""
    return (
        f"*% of Full* on the {PAPERS_CARD} beside the paper's {len(both)} rows: {correlation}mean absolute difference "
        f"{difference:.1f} points."
    )


def throughput_tables(frame: pd.DataFrame) -> list[Table]:
    """Most images per second that each method reaches on each card, one table per task."""
    found = [(task, _batches(frame, task)) for task in TASKS]
    return [_throughput(task, batches) for task, batches in found if len(batches) > 1]


def _throughput(task: str, batches: Sequence[tuple[int, pd.DataFrame]]) -> Table:
    first = batches[0][1]
    columns: list[Column] = [("Method", [label_of(method) for method in first["method"]])]
    for card in _cards(first):
        columns.append((card, [_fastest(batches, key, card) for key in first.index]))
    sizes = ", ".join(str(size) for size, _ in batches)
    row = first.iloc[0]
    said = row.map(markdown_cell)
    return Table(
        f"Images per second. {TASKS[task]}, {row['backbone']}",
        f"**Predicted** time and **simulated** memory, images of {said['image_size']}, {said['precision']}: the most "
        f"images per second that a method reaches on a card, and with how many images, among batches of {sizes} that "
        "fit it. Less memory pays where a larger batch is faster.",
        columns,
    )


def _fastest(batches: Sequence[tuple[int, pd.DataFrame]], key: str, card: str) -> str:
    rates = []
    for size, rows in batches:
        if key not in rows.index:
            continue
        row = rows.loc[key]
        step_ms = _entry(row["predicted"], card).get("step_ms")
        if step_ms and row["fits"].get(card, {}).get("verdict", "oom") != "oom":
            rates.append((1e3 * size / step_ms, size))
    if not rates:
        return OOM
    rate, size = max(rates)
    return f"{rate:.1f} ({size})"


def step_check_table(checks: Sequence[Record]) -> Table | None:
    """Measured step times beside predicted ones, as `python -m bench validate --step-time` stores them."""
    checks = [check for check in checks if "error_percent" in check]
    if not checks:
        return None
    rows = pd.DataFrame(list(checks))
    errors = rows[["error_percent", "roofline_error_percent"]].abs()
    per_card = errors.groupby(rows["card"], sort=False).mean()
    counts = rows["card"].value_counts(sort=False).reindex(per_card.index)
    everything = errors.mean()
    return Table(
        "How far to trust predicted times",
        "**Predicted** beside **measured** (NeuSight: forward, or forward and backward, of language models in fp32). "
        "Achieved parts of the peaks come from single operators on these cards, none from these times. *Plain "
        "roofline*: every operator at the peak of the datasheet.",
        [
            ("Card", [*per_card.index, "all cards"]),
            ("steps", [*number(counts), str(len(rows))]),
            ("mean absolute error %", number([*per_card["error_percent"], everything["error_percent"]], 1)),
            ("plain roofline's %", number([*per_card["roofline_error_percent"], everything.iloc[1]], 1)),
        ],
    )


def calibration_table(checks: Sequence[Record]) -> Table | None:
    """Errors of every calibration over families that its factors have not seen: those of `drystep validate --time`."""
    checks = [check for check in checks if "roofline_mean" in check]
    if not checks:
        return None
    rows = pd.DataFrame(list(checks))
    return Table(
        "How far to trust predicted times of vision models",
        "**Predicted** beside **measured** steps of timm's models. Each family of models is predicted by factors that "
        "were fitted to the others; errors are absolute, in percent. *Peaks alone*: mean error of the card's peaks. "
        "*Inside*: steps whose measured time lies within the predicted interval.",
        [
            ("Card", list(rows["card"])),
            ("mode", list(rows["mode"])),
            ("layout", list(rows["layout"])),
            ("precision", list(rows["precision"])),
            ("steps", number(rows["steps"])),
            ("mean", number(rows["mean"], 1)),
            ("median", number(rows["median"], 1)),
            ("90th percentile", number(rows["percentile_90"], 1)),
            ("peaks alone", number(rows["roofline_mean"], 1)),
            ("inside %", number(rows["inside"])),
        ],
    )


def measured_table(frame: pd.DataFrame) -> Table | None:
    """Steps measured on a GPU beside the prediction for its class."""
    pairs = [pair for _, row in frame[frame["engine"] == "cuda"].iterrows() if (pair := _pair(frame, row)) is not None]
    if not pairs:
        return None
    rows = pd.DataFrame(pairs)
    error = percent_above(rows["predicted_ms"], rows["measured_ms"])
    return Table(
        "Predicted and measured step times",
        f"**Measured** on a GPU beside **predicted** for its class. Mean absolute error {error.abs().mean():.1f} %.",
        [
            ("Case", list(rows["case"])),
            ("card", list(rows["card"])),
            ("predicted ms", number(rows["predicted_ms"], 1)),
            ("measured ms", number(rows["measured_ms"], 1)),
            ("error %", signed(error)),
        ],
    )


def _pair(frame: pd.DataFrame, row: pd.Series) -> dict[str, Any] | None:
    simulated = _same(frame, row)
    if simulated is None or pd.isna(row["step_ms"]):
        return None
    card = class_of(row["environment"].get("device") or "", simulated["predicted"])
    step_ms = _entry(simulated["predicted"], card).get("step_ms")
    if step_ms is None:
        return None
    case = f"{TASKS[row['task']]}, {row['backbone']}, {label_of(row['method'])}, {row['precision']}"
    return {"case": case, "card": card, "predicted_ms": step_ms, "measured_ms": row["step_ms"]}


def class_of(device: str, classes: Sequence[str] | dict[str, Any]) -> str:
    """The GPU class that a device belongs to, by its name: "Tesla V100-SXM2-32GB" to "v100-32gb"; "" if none."""
    name = _plain(device)
    found = [card for card in classes if _plain(card.rpartition("-")[0] or card) in name]
    return max(found, key=len, default="")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _same(frame: pd.DataFrame, row: pd.Series) -> pd.Series | None:
    """The simulation of a measured case."""
    same = frame[(frame["engine"] == "simulate") & _is_case_of(row, frame)]
    return None if same.empty else same.iloc[-1]


def _is_case_of(row: pd.Series, frame: pd.DataFrame) -> pd.Series:
    """Whether each row of a frame has the case of this one, whatever engine ran it."""
    same = ["task", "method", *settings_of(frame)]
    return (frame[same] == row[same]).all(axis=1)


def _measured(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """What a GPU measured of the same cases, the latest; rows without figures where nothing was."""
    gpu = frame[frame["engine"] == "cuda"]
    found = [gpu[_is_case_of(row, gpu)].tail(1).index for _, row in rows.iterrows()]
    return gpu.reindex([same[0] if len(same) else -1 for same in found]).set_axis(rows.index)


def _predicted(frame: pd.DataFrame, task: str, batch_size: int) -> pd.DataFrame:
    """Simulated cases of the paper's backbone that have predictions, a row per method."""
    timed = frame[frame["predicted"].astype(bool)]
    backbone = BACKBONES[task]
    return select(timed, task=task, backbone=backbone, engine="simulate", batch_size=batch_size, precision="fp32")


def _batches(frame: pd.DataFrame, task: str) -> list[tuple[int, pd.DataFrame]]:
    if frame.empty:
        return []
    found = [(int(size), _predicted(frame, task, size)) for size in sorted(frame["batch_size"].unique())]
    return [(size, rows) for size, rows in found if not rows.empty]


def _cards(rows: pd.DataFrame) -> list[str]:
    return [card for card in cards_of(rows["predicted"]) if _times(rows, card).notna().any()]


def _entry(times: Any, card: str) -> dict[str, Any]:
    return times.get(card) or {}


def _times(rows: pd.DataFrame, card: str) -> pd.Series:
    return pd.Series({key: _entry(row["predicted"], card).get("step_ms") for key, row in rows.iterrows()}, dtype=float)


def _paper(task: str, rows: pd.DataFrame) -> pd.Series:
    """% of Full as published; a method's reference form takes its place where there is one."""
    values = published("table3_training_time").set_index("key")[f"{task}_pct_full"]
    return values.reindex(rows["base"].map(method_key)).set_axis(rows.index).where(is_as_published(rows))
