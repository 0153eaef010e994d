"""How templates become pages: all text is escaped, and a browser loads nothing and runs nothing."""

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from drystep.visible_text import one_line

TEMPLATES = Path(__file__).with_name("templates")
STYLE = "style.css"


def render(name: str, **values: Any) -> str:
    """The template of that name with the style sheet in it. It stands alone: names in `values` may come from anyone."""
    style = (TEMPLATES / STYLE).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _environment().get_template(name).render(style=Markup(style), policy=Markup(policy), **values)


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: Any) -> Any:
    """Data on one line, characters that do not print as escapes; what a template made is left as it is."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value
