"""The registry of methods, with those of the paper first and in its order. A new method is one file and one line here.

Does not import torch: a method is loaded when it is applied.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from baselines.method import Method

Form = Literal["", "fused", "reference", "recompute"]
"""How the highway of E3VA is computed; "" for methods that have a single form."""


@dataclass(frozen=True, kw_only=True)
class RegisteredMethod:
    """What is known about a method before it is loaded."""

    name: str
    """Name on the command line and in results."""
    label: str
    """Name in tables, as the paper writes it."""
    base: str
    """Name of the method that this one is a form or a variant of; its own name if it is neither."""
    form: Form = ""
    """Which of several ways to compute the same function it uses."""
    variant: str = ""
    """What it changes in its base; "" if nothing."""
    lowers_trunk: bool = False
    """Whether the tuned backbone has a frozen trunk that can be stored in half precision."""
    home: str
    """`module:object` of a `Method`, or of a function that returns one for the options."""
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> "Method":
        """Import the method, and PyTorch with it."""
        module, _, name = self.home.partition(":")
        found = getattr(import_module(module), name)
        return found(**self.options) if self.options else found

    def as_fields(self) -> dict[str, str]:
        """The fields of a result line that describe its method, besides the name."""
        named = asdict(self)
        return {name: named[name] for name in ("label", "base", "form", "variant")}


E3VA_RANKS = {"e3va": ("E3VA", 8), "e3va+": ("E3VA+", 16), "e3va++": ("E3VA++", 32)}
"""Name -> label and rank of the paper's three sizes."""
DEFAULT_FORM: Form = "fused"
"""Form of a size whose name does not state one."""
PUBLISHED_FORM: Form = "reference"
"""Form that the paper measured: plain modules."""
E3VA_HOME = "bench.cases.e3va_methods:e3va_method"


def _baseline(name: str, label: str) -> RegisteredMethod:
    return RegisteredMethod(name=name, label=label, base=name, home=f"baselines.{name}:{name.upper()}")


def _e3va(size: str, form: Form) -> RegisteredMethod:
    label, rank = E3VA_RANKS[size]
    default = form == DEFAULT_FORM
    return RegisteredMethod(
        name=size if default else f"{size}-{form}",
        label=label if default else f"{label} ({form})",
        base=size,
        form=form,
        lowers_trunk=form != "reference",
        home=E3VA_HOME,
        options={"rank": rank, "form": form},
    )


def _variant(name: str, label: str, starts_frozen: bool = True, **design: Any) -> RegisteredMethod:
    """E3VA with one thing changed, as plain modules, for comparison with `e3va-reference`."""
    return RegisteredMethod(
        name=f"e3va-{name}",
        label=f"E3VA, {label}",
        base="e3va",
        form="reference",
        variant=name,
        home=E3VA_HOME,
        options={"rank": 8, "form": "reference", "design": design, "starts_frozen": starts_frozen},
    )


_PAPERS = (
    _baseline("full", "Full"),
    _baseline("fixed", "Fixed"),
    _baseline("bitfit", "BitFit"),
    _baseline("norm_tuning", "Norm-Tuning"),
    _baseline("partial1", "Partial-1"),
    _baseline("adapter", "Adapter"),
    _baseline("lora", "LoRA"),
    _baseline("adaptformer", "AdaptFormer"),
    _baseline("lorand", "LoRand"),
    *(_e3va(size, DEFAULT_FORM) for size in E3VA_RANKS),
)
_FORMS = tuple(_e3va(size, form) for size in E3VA_RANKS for form in ("reference", "recompute"))
_RIVALS = (_baseline("lst", "LST"),)
_STRUCTURES = (
    _variant("standard", "standard adapter", adapter="standard"),
    _variant("stacked", "stacked", layout="stacked"),
    _variant("trained-merging", "trained merging", trains_merging=True),
    _variant("frozen-norms", "frozen norms", trains_norms=False),
)
_OPEN_CHOICES = (
    _variant("zero-start", "e_0 = 0", starts_frozen=False, start="zeros"),
    _variant("no-residual", "no inner residual", starts_frozen=False, inner_residual=False),
    _variant("highway-output", "norm(e)", output="highway"),
    _variant("late-tap", "tap after DropPath", tap="after_drop_path"),
    _variant("kaiming", "no factor starts at zero", starts_frozen=False, init="kaiming"),
)

METHODS: dict[str, RegisteredMethod] = {
    method.name: method for method in (*_PAPERS, *_FORMS, *_RIVALS, *_STRUCTURES, *_OPEN_CHOICES)
}
PAPER_METHODS: tuple[str, ...] = tuple(method.name for method in _PAPERS)
"""The rows of the paper's tables."""
ABLATIONS: tuple[str, ...] = tuple(method.name for method in (*_STRUCTURES, *_OPEN_CHOICES))
"""E3VA with one thing changed, for comparison with its reference form."""


def in_form(base: str, form: Form) -> str:
    """Name of a method in a form; its own name if it has no forms. Raises `KeyError` for an unknown base."""
    forms = {method.form: method.name for method in METHODS.values() if method.base == base and not method.variant}
    return forms.get(form, METHODS[base].name)


def as_published(method: str) -> str:
    """Name of a method in the form that the paper measured: for E3VA, plain modules."""
    return in_form(method, PUBLISHED_FORM)
