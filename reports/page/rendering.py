"""How templates become HTML: all text is escaped, and a browser runs the page's own script and nothing else."""

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.escaping import one_line

TEMPLATES = Path(__file__).with_name("templates")


def render(name: str, **values: Any) -> str:
    """The template of that name, with the style sheet and the script in it."""
    style, script = (_own(file) for file in ("style.css", "page.js"))
    template = _environment().get_template(name)
    return template.render(style=style, script=script, policy=_policy(style, script), **values)


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


def _own(file: str) -> Markup:
    """A file of ours, which is no data."""
    return Markup((TEMPLATES / file).read_text(encoding="utf-8"))


def _printable(value: Any) -> Any:
    """Data on one line, characters that do not print as escapes; what a template made is left as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    before, after = (" " if edge.isspace() else "" for edge in (value[:1], value[-1:]))
    return f"{before}{one_line(value)}{after}"


def _policy(style: str, script: str) -> Markup:
    """Content security policy: nothing is loaded, and only this style sheet and this script have an effect."""
    return Markup(f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
