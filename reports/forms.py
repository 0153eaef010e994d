"""Forms of a method: which results stand in the paper's rows, and what the rows of other forms are called."""

from collections.abc import Iterable, Sequence

import pandas as pd

from reports.records import KEY, label_of, labels, method_key, select

REFERENCE = "reference"
"""The form out of plain modules, as the paper describes the method."""
OF_PLAIN_MODULES = ("e3va", "e3va+", "e3va++")
"""Methods that have several forms here. The paper's rows of them are of plain modules."""


def is_itself(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is a method as it is by default, and not another form or a variant of one."""
    return frame["method"] == frame["base"]


def is_reference(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is the reference form of a method in which nothing is changed."""
    return (frame["form"] == REFERENCE) & (frame["variant"] == "")


def is_as_published(frame: pd.DataFrame) -> pd.Series:
    """Whether each row belongs in the paper's row of its base.

    That is the reference form of a method that has several, and a method itself if it has one. No other form may stand
    there: it is not what the paper measured.
    """
    has_one_form = (frame["form"] == "") & ~frame["base"].isin(OF_PLAIN_MODULES)
    return is_reference(frame) | (is_itself(frame) & has_one_form)


def in_rows_of_the_paper(frame: pd.DataFrame) -> pd.DataFrame:
    """Results of whole methods, each under the name of its row: the paper's where it is as published, else one of ours.

    Variants, which change something in a method, have no row.
    """
    rows = frame[frame["variant"] == ""]
    own = [form_label(base, form) for base, form in zip(rows["base"], rows["form"], strict=True)]
    return rows.assign(method=rows["base"].where(is_as_published(rows), pd.Series(own, index=rows.index, dtype=object)))


def form_label(base: str, form: str) -> str:
    """Name of the row of a form that the paper does not have."""
    return f"{label_of(base)}, {form or 'form not stated'} (ours)"


def measured_as(key: str) -> str:
    """The label of a paper's row, with the method that it takes where this has another name."""
    return f"{labels()[key]} (measure {key}-{REFERENCE})" if key in OF_PLAIN_MODULES else labels()[key]


def select_rows(rows: pd.DataFrame, *, free: Sequence[str] = (), **wanted: object) -> pd.DataFrame:
    """What `select` finds, indexed by the paper's method key, or by the name of a method that the paper lacks."""
    found = select(rows, free=free, **wanted)
    if found.empty:
        return found
    keys = found[KEY].where(found[KEY].isin(list(labels())), found["method"])
    found = found.assign(**{KEY: keys}).drop_duplicates([KEY, *free], keep="last")
    return found.set_index(KEY, drop=False).rename_axis(None)


def papers_rows(of_paper: Iterable[str], found: Iterable[pd.DataFrame]) -> tuple[list[str], list[str]]:
    """Keys and labels of a table's rows: first the paper's, then others that were measured."""
    names = {key: labels()[key] for key in of_paper}
    for rows in found:
        names |= {key: label_of(method) for key, method in rows["method"].items() if key not in names}
    return list(names), list(names.values())


def bases_of(keys: Iterable[str], found: Iterable[pd.DataFrame]) -> list[str]:
    """Key of the method that each row of a table is a form of; a row of the paper is a method itself."""
    known: dict[str, str] = {}
    for rows in found:
        known |= {key: method_key(base) for key, base in rows["base"].items()}
    return [known.get(key, key) for key in keys]


def absent_note(parts: Iterable[tuple[str, Iterable[str], Iterable[str]]]) -> str:
    """Which of the paper's rows lack our figure: a sentence for a caption, or nothing.

    Each part of a table has a name, the keys that the paper has, and those that were measured.
    """
    said = []
    for part, wanted, measured in parts:
        wanted, measured = list(wanted), set(measured)
        absent = [measured_as(key) for key in wanted if key not in measured]
        if absent:
            said.append(f"{part}: {'all' if 1 < len(wanted) == len(absent) else ', '.join(absent)}")
    return f" The results lack these rows, so they have no figure of ours: {'; '.join(said)}." if said else ""
