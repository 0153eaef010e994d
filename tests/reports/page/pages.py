"""A page of results, read and found harmless."""

from reports.document import build_tables
from reports.page.page import page
from reports.records import frame_of
from tests.reports.conftest import Record
from tests.reports.hostile import is_plain
from tests.reports.page.html_reader import Element, assert_harmless, read


def page_of(records: list[Record], checks=(), step_checks=()) -> Element:
    text = page(records, build_tables(frame_of(records)), checks, step_checks)
    root = read(text)
    assert_harmless(root)
    assert is_plain(text)
    return root


def rows_of(table: Element) -> dict[str, list[Element]]:
    """The cells of each row, by its heading."""
    return {row.one("th").text: row.all("td") for row in table.one("tbody").all("tr")}
