"""The page in a real browser: it loads without errors, sorts, and fits a telephone and a desk, light and dark.

Skipped where Debian's `chromium` and `chromium-driver` (or others of these names) are not installed.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

from reports.document import build_tables
from reports.page.page import write_page
from reports.records import frame_of
from tests.reports.conftest import Record

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WIDTHS = (390, 1200)
SCHEMES = ("light", "dark")
OUTSIDE = """
const scrolls = (element) => element !== document.body
  && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
return [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && !scrolls(element.parentElement) && (box.right > arguments[0] + 0.5 || box.left < -0.5);
}).map((element) => element.outerHTML.slice(0, 80));
"""
"""Elements that reach beyond the window's sides, except inside what scrolls for itself."""
CUT = """
return [...document.querySelectorAll("svg text")].filter((text) => {
  const own = text.getBoundingClientRect(), all = text.ownerSVGElement.getBoundingClientRect();
  const outside = [all.left - own.left, own.right - all.right, all.top - own.top, own.bottom - all.bottom];
  return own.width && Math.max(...outside) > 1;
}).map((text) => text.textContent);
"""
"""Labels that their picture cuts off."""
OVERLAPPING = """
const found = [];
for (const svg of document.querySelectorAll("svg")) {
  const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  texts.forEach(([one, a], number) => texts.slice(number + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 3) found.push([one, other]);
  }));
}
return found;
"""
"""Pairs of labels in one picture that cover each other; their boxes have room above and below the letters."""

FAULTS = """
document.body.insertAdjacentHTML("beforeend", '<p id="wide">wide</p><svg width="60" height="20">'
  + '<text x="30" y="15">a long label</text><text x="32" y="15">another</text></svg>');
document.getElementById("wide").style.width = "500px";
"""
"""What the checks are for."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    # No sandbox, because in a container its user may not make one; the page is our own.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser: Chrome, records: list[Record], tmp_path: Path) -> Any:
    """Open the page of some results in a window of a width, in a colour scheme."""
    path = write_page(records, tmp_path, build_tables(frame_of(records)))

    def show(width: int, scheme: str) -> Chrome:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(path.as_uri())
        browser.execute_script("for (const closed of document.querySelectorAll('details')) closed.open = true;")
        return browser

    return show


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_loads_without_errors_and_fits(shown: Any, width: int, scheme: str) -> None:
    page = shown(width, scheme)
    assert page.get_log("browser") == []
    assert page.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
    assert page.execute_script("return innerWidth") == width
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.execute_script(OUTSIDE, width) == []
    assert page.execute_script(CUT) == []
    assert page.execute_script(OVERLAPPING) == []


def test_tables_sort(shown: Any) -> None:
    page = shown(1200, "light")
    table = page.find_element(By.CSS_SELECTOR, "table.sortable")

    def needs() -> list[float]:
        cells = table.find_elements(By.CSS_SELECTOR, "tbody tr td:nth-child(2)")
        return [float(cell.text) for cell in cells]

    unsorted = needs()
    button = table.find_elements(By.CSS_SELECTOR, "thead th button")[1]
    button.click()
    assert needs() == sorted(unsorted) != unsorted
    button.click()
    assert needs() == sorted(unsorted, reverse=True)


def test_the_checks_see_faults(shown: Any) -> None:
    page = shown(390, "light")
    page.execute_script(FAULTS)
    assert page.execute_script("return document.documentElement.scrollWidth") > 390
    assert any("wide" in found for found in page.execute_script(OUTSIDE, 390))
    assert "a long label" in page.execute_script(CUT)
    assert ["a long label", "another"] in page.execute_script(OVERLAPPING)
