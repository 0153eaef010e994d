"""E3VA as a method of the suite, in its sizes, forms and variants."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from baselines.method import Method
from e3va import E3VA, Design, Form


def e3va_method(rank: int, form: Form, design: Mapping[str, Any] | None = None, starts_frozen: bool = True) -> Method:
    """Return E3VA of a rank, in a form, with the given fields of its `Design` changed."""
    chosen = Design(**(design or {}))
    trains = ["highway.*"]
    if chosen.trains_norms:
        trains.append("backbone.norms.*")
    if chosen.trains_merging:
        trains.append("merging.*")
    return Method(
        partial(E3VA, rank=rank, form=form, design=chosen),
        adds_structure=True,
        trains=tuple(trains),
        starts_frozen=starts_frozen,
    )
