"""The paper's Table 4, what trains on which card, under two sets of rules; and its cells that ours contradict."""

from dataclasses import dataclass

import pandas as pd

from reports.cells import MISSING, Column, number, text, verdict
from reports.forms import absent_note, in_rows_of_the_paper, papers_rows, select_rows
from reports.paper_settings import LEGACY
from reports.records import KEY, cards_of, labels, published
from reports.tables import FORMS_NOTE, Table, settings_text
from reports.units import MIB

BATCH_SIZES = (1, 2)
PROBABLE_PRECISION, PROBABLE_STRETCH = "fp32", "worst"
FITS = ("fits", "fits_with_retries")
HOW_JUDGED = (
    "A card fits a step when all its allocations succeed in a replay through PyTorch's allocator under the card's "
    "usable memory; *retries*: only after cached memory was given back to the driver. Reserved memory is that on a "
    "card without limit."
)


@dataclass(frozen=True)
class Cell:
    """One of the paper's cells, and ours."""

    key: str
    batch_size: int
    card: str
    paper: str
    """yes or no; `MISSING` where the paper has no such cell."""
    ours: str | None = None
    """Our verdict, if there is one."""
    reserved_mib: float | None = None
    """What the step reserves on a card without limit."""
    usable_mib: float | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether both say that it fits, or both that it does not; nothing where either is missing."""
        if self.ours is None or self.paper == MISSING:
            return None
        return (self.ours in FITS) if self.paper == "yes" else (self.ours == "oom")


def table4(frame: pd.DataFrame) -> Table | None:
    """Under the rules of PyTorch today, on a batch of one shape: the frame has nothing else."""
    rows = _rows(frame)
    if rows.empty:
        return None
    return _table(
        "Table 4. Swin-L Cascade Mask R-CNN on four GPU classes",
        f"**Simulated**: {settings_text(rows.iloc[0].drop('batch_size'))}.",
        rows,
    )


def probable_table4(frame: pd.DataFrame) -> Table | None:
    """Under the rules that probably were behind it: those of PyTorch 1.x, over batches that vary."""
    rows = _probable_rows(frame)
    if rows.empty:
        return None
    of_run = rows.iloc[0].drop("batch_size").copy()
    of_run["gt_boxes"] = 0  # a run draws them
    return _table(
        "Table 4 under its probable rules",
        f"**Simulated**: {settings_text(of_run)}, over {of_run['batches']} batches of a training in one allocator: "
        "sizes and numbers of objects are drawn after the task's augmentation, and the last batch is the largest of an "
        "epoch. The paper states none of this; these are rules of its time, the same for every row.",
        rows,
    )


def contradictions(shapes: pd.DataFrame, frame: pd.DataFrame) -> Table | None:
    """The paper's cells that our figures contradict: under the probable rules, or today's where those lack them.

    `shapes` has today's results alone, the frame all.
    """
    today = {_place(cell): cell for cell in _cells(_rows(shapes))}
    probable = {_place(cell): cell for cell in _cells(_probable_rows(frame))}
    published_cells = _cells_of_paper()
    pairs = [(probable[place], today[place]) for place in published_cells]
    compared = [pair for pair in pairs if _judged(*pair).agrees is not None]
    pairs = [pair for pair in compared if _judged(*pair).agrees is False]
    if not pairs:
        return None
    shown = [_judged(*pair) for pair in pairs]
    return Table(
        "Table 4: claims that our figures do not reproduce",
        f"Of the {len(published_cells)} cells that the paper **published**, {len(compared)} have a **simulated** "
        f"figure here, and {len(shown)} of these say otherwise under its probable rules (today's where those have no "
        "figure). *Reserved* is what the step takes on a card without limit, *usable* what the card leaves to it.",
        [
            ("Method", [labels()[cell.key] for cell in shown]),
            ("images per GPU", [str(cell.batch_size) for cell in shown]),
            ("card", [cell.card for cell in shown]),
            ("trains, paper", [cell.paper for cell in shown]),
            ("probable rules", [verdict(cell.ours) for cell, _ in pairs]),
            ("reserved MiB", number(cell.reserved_mib for cell, _ in pairs)),
            ("today's rules", [verdict(cell.ours) for _, cell in pairs]),
            ("reserved MiB", number(cell.reserved_mib for _, cell in pairs)),
            ("usable MiB", number(cell.usable_mib for cell in shown)),
        ],
    )


def _table(title: str, settings: str, rows: pd.DataFrame) -> Table:
    keys, names = papers_rows([key for key in labels() if key in {*_papers_keys(), *rows[KEY]}], [rows])
    measured = rows.set_index([KEY, "batch_size"], drop=False)
    named = dict(zip(keys, names, strict=True))
    pairs = [
        (key, size) for key in keys for size in BATCH_SIZES if key in _papers_keys() or (key, size) in measured.index
    ]
    shown = measured.reindex(pd.MultiIndex.from_tuples(pairs))
    cells = {_place(cell): cell for cell in _cells(rows)}
    columns: list[Column] = [
        ("Method", [named[key] for key, _ in pairs]),
        ("images per GPU", [str(size) for _, size in pairs]),
    ]
    for card in _cards(rows):
        of_card = [cells[key, size, card] for key, size in pairs]
        columns += [
            (card, [verdict(cell.ours) for cell in of_card]),
            ("paper", [cell.paper for cell in of_card]),
        ]
    columns.append(("reserved MiB", number(shown["reserved_mib"])))
    agreed = [cell.agrees for cell in cells.values() if cell.agrees is not None]
    absent = absent_note(
        (f"{size} images" if size > 1 else "1 image", _papers_keys(), rows.loc[rows["batch_size"] == size, KEY])
        for size in BATCH_SIZES
    )
    return Table(
        title,
        f"{settings} {HOW_JUDGED} {FORMS_NOTE} {sum(agreed)} of {len(agreed)} cells agree with the paper, which "
        f"published {len(_cells_of_paper())} and names no precision or image size for this table.{absent}",
        columns,
    )


def _probable_rows(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    runs = frame[(frame["batches"] > 1) & (frame["profile"] == LEGACY) & (frame["precision"] == PROBABLE_PRECISION)]
    return _rows(runs[runs["stretch"] == PROBABLE_STRETCH])


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per method and number of images."""
    if frame.empty:
        return frame
    rows = in_rows_of_the_paper(frame[frame["batch_size"].isin(BATCH_SIZES)])
    return select_rows(rows, free=("batch_size",), task="coco", backbone="swin_large", engine="simulate")


def _cells(rows: pd.DataFrame) -> list[Cell]:
    """All cells of a table: those that the paper has, and those of our rows."""
    paper = _cells_of_paper()
    fits = {(row[KEY], row["batch_size"]): row for row in rows.to_dict("records")} if not rows.empty else {}
    places = {(key, size): None for key, size, _ in paper} | dict.fromkeys(fits)
    cells = []
    for key, size in places:
        row = fits.get((key, size), {})
        for card in _cards(rows):
            fit = (row.get("fits") or {}).get(card, {})
            usable = fit.get("usable_bytes")
            cells.append(
                Cell(
                    key, size, card, paper.get((key, size, card), MISSING), fit.get("verdict"),
                    row.get("reserved_mib"), None if usable is None else usable / MIB,
                )
            )  # fmt: skip
    return cells


def _cards(rows: pd.DataFrame) -> list[str]:
    """The paper's cards, and others for which there are verdicts."""
    ours = [] if rows.empty else cards_of(rows["fits"])
    return list(dict.fromkeys([*(card for _, _, card in _cells_of_paper()), *ours]))


def _cells_of_paper() -> dict[tuple[str, int, str], str]:
    """Method, images per GPU and card -> whether it trains, as published."""
    table = published("table4_gpu_trainability_swin_large_cascade")
    size = "batch_size_per_gpu"
    cards = [column for column in table.columns if column not in ("method", KEY, size)]
    return {
        (row[KEY], row[size], card.replace("_", "-")): text([row[card]])[0]
        for row in table.to_dict("records")
        for card in cards
    }


def _papers_keys() -> list[str]:
    return list(dict.fromkeys(key for key, _, _ in _cells_of_paper()))


def _place(cell: Cell) -> tuple[str, int, str]:
    return cell.key, cell.batch_size, cell.card


def _judged(probable: Cell, today: Cell) -> Cell:
    """The cell by which the paper's is judged."""
    return today if probable.ours is None else probable
