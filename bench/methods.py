"""All methods, those of the paper first and in its order. A new method is one file and one line here."""

from functools import partial

from baselines.adapter import ADAPTER
from baselines.adaptformer import ADAPTFORMER
from baselines.bitfit import BITFIT
from baselines.fixed import FIXED
from baselines.full import FULL
from baselines.lora import LORA
from baselines.lorand import LORAND
from baselines.lst import LST
from baselines.method import Method
from baselines.norm_tuning import NORM_TUNING
from baselines.partial1 import PARTIAL1
from e3va import E3VA, Design, Form

E3VA_RANKS = {"e3va": ("E3VA", 8), "e3va+": ("E3VA+", 16), "e3va++": ("E3VA++", 32)}
"""Name -> label and rank of the paper's three sizes."""
FORM_OF_SIZE: Form = "fused"
"""What a size is without a form in its name."""


def _e3va(size: str, form: Form) -> Method:
    label, rank = E3VA_RANKS[size]
    fused = form == FORM_OF_SIZE
    return Method(
        size if fused else f"{size}-{form}",
        label if fused else f"{label} ({form})",
        partial(E3VA, rank=rank, form=form),
        adds_structure=True,
        trains=("highway.*", "backbone.norms.*"),
        lowers_trunk=form != "reference",
    )


def _variant(name: str, label: str, design: Design, starts_frozen: bool = True) -> Method:
    """E3VA with one thing changed, out of plain modules: to be compared with `e3va-reference`."""
    trains = ("highway.*", "backbone.norms.*") if design.trains_norms else ("highway.*",)
    return Method(
        f"e3va-{name}",
        f"E3VA, {label}",
        partial(E3VA, form="reference", design=design),
        adds_structure=True,
        trains=(*trains, "merging.*") if design.trains_merging else trains,
        starts_frozen=starts_frozen,
    )


_PAPERS = (
    FULL,
    FIXED,
    BITFIT,
    NORM_TUNING,
    PARTIAL1,
    ADAPTER,
    LORA,
    ADAPTFORMER,
    LORAND,
    *(_e3va(size, FORM_OF_SIZE) for size in E3VA_RANKS),
)
_FORMS = tuple(_e3va(size, form) for size in E3VA_RANKS for form in ("reference", "recompute"))
_RIVALS = (LST,)
_STRUCTURES = (
    _variant("standard", "standard adapter", Design(adapter="standard")),
    _variant("stacked", "stacked", Design(layout="stacked")),
    _variant("trained-merging", "trained merging", Design(trains_merging=True)),
    _variant("frozen-norms", "frozen norms", Design(trains_norms=False)),
)
_OPEN_CHOICES = (
    _variant("zero-start", "e_0 = 0", Design(start="zeros"), starts_frozen=False),
    _variant("no-residual", "no inner residual", Design(inner_residual=False), starts_frozen=False),
    _variant("highway-output", "norm(e)", Design(output="highway")),
    _variant("late-tap", "tap after DropPath", Design(tap="after_drop_path")),
    _variant("kaiming", "no factor starts at zero", Design(init="kaiming"), starts_frozen=False),
)

METHODS: dict[str, Method] = {
    method.name: method for method in (*_PAPERS, *_FORMS, *_RIVALS, *_STRUCTURES, *_OPEN_CHOICES)
}
PAPER_METHODS: tuple[str, ...] = tuple(method.name for method in _PAPERS)
"""The rows of the paper's tables."""
ABLATIONS: tuple[str, ...] = tuple(method.name for method in (*_STRUCTURES, *_OPEN_CHOICES))
"""E3VA with one thing changed, to be compared with `e3va-reference`."""


def as_published(method: str) -> str:
    """The form of a method that the paper measured: E3VA out of plain modules."""
    return f"{method}-reference" if method in E3VA_RANKS else method
