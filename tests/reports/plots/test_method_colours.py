import re

from reports.page.rendering import TEMPLATES
from reports.plots.method_colours import COLOURS, colours_of
from reports.records import labels


def test_pictures_have_the_colours_of_the_page() -> None:
    light = re.findall(r":root \{([^}]*)\}", (TEMPLATES / "style.css").read_text())[0]
    assert tuple(re.findall(r"--m\d+: (#\w+);", light)) == COLOURS


def test_a_method_has_its_colour_whatever_else_is_shown() -> None:
    few, many = colours_of(["e3va", "lst"]), colours_of(["lst", "full", "mine"])
    assert {key: few[key] for key in labels()} == {key: many[key] for key in labels()}
    assert few["lst"] == many["lst"]
    assert len({many[key] for key in [*labels(), "lst", "mine"]}) == 14
