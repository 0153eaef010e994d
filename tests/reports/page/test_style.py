"""What the page's style sheet, script and headings must be."""

import base64
import hashlib
import re
from itertools import pairwise

from reports.page.page import page
from reports.page.rendering import TEMPLATES
from tests.reports.conftest import Record
from tests.reports.page.html_reader import read
from tests.reports.page.pages import page_of


def test_only_the_own_script_and_style_have_an_effect(records: list[Record]) -> None:
    text = page(records, [])
    root = read(text)
    policy = next(meta.attributes["content"] for meta in root.all("meta") if "http-equiv" in meta.attributes)
    for tag in ("script", "style"):
        content = re.search(f"<{tag}>(.*)</{tag}>", text, re.DOTALL)[1]
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_no_colour_has_two_meanings() -> None:
    """Within light and dark each: verdicts, kinds of memory and methods share none."""
    style = (TEMPLATES / "style.css").read_text()
    light, dark = re.findall(r":root \{([^}]*)\}", style)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#\w+);", scheme))
        meaning = {name: colour for name, colour in colours.items() if re.match(r"(m\d+|k-.*|fits|retries|oom)$", name)}
        assert len(meaning) == 14 + 7 + 3
        assert len(set(meaning.values())) == len(meaning)
        levels = [_lightness(colours[name]) for name in ("fits", "retries", "oom")]
        assert abs(levels[0] - levels[2]) > 0.3
        for name in ("fits", "retries", "oom"):
            assert _contrast(colours[name], colours[f"{name}-ink"]) > 4.5
        for name in (name for name in meaning if name.startswith("m")):
            assert _contrast(colours[name], colours["paper"]) > 3, name


def _lightness(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_lightness(one), _lightness(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_headings_follow_each_other(records: list[Record]) -> None:
    levels = [int(element.tag[1]) for element in page_of(records).all() if re.fullmatch(r"h\d", element.tag)]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
