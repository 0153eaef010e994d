"""A reader of HTML that is not ours: it finds what is not balanced, what is loaded, and what would run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "hr", "img", "link"}
LOADING = {"src", "srcset", "data", "action", "formaction", "poster", "background", "xlink:href", "ping"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Of this element and of those in it, as they come."""

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    @property
    def classes(self) -> Sequence[str]:
        return self.attributes.get("class", "").split()

    def all(self, tag: str = "", look: str = "") -> list["Element"]:
        """Elements in it with this tag and class, at any depth."""
        found = []
        for child in self.children:
            if (not tag or child.tag == tag) and (not look or look in child.classes):
                found.append(child)
            found += child.all(tag, look)
        return found

    def one(self, tag: str = "", look: str = "") -> "Element":
        return self.all(tag, look)[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data) -> None:
        for element in self.open:
            element.texts.append(data)

    def handle_comment(self, data) -> None:
        raise AssertionError(f"a comment: {data}")


def read(html: str) -> Element:
    """The document; fails where it is not balanced."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert [element.tag for element in reader.open] == [""]
    return reader.root


def assert_harmless(root: Element) -> None:
    """Nothing is loaded, and nothing runs but the page's own script."""
    everything = root.all()
    assert len(root.all("script")) == len(root.all("style")) == 1
    assert not {"img", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "use", "image"} & {
        element.tag for element in everything
    }
    for element in everything:
        assert not LOADING & element.attributes.keys(), element
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"], element
        if "href" in element.attributes:
            assert element.attributes["href"].replace("-", "").replace(".", "").isalnum(), element
    identifiers = [element.attributes["id"] for element in everything if "id" in element.attributes]
    assert len(identifiers) == len(set(identifiers))
