"""The pages in a real browser: they load without an error, and fit a telephone and a desk, light and dark.

Skipped where Debian's `chromium` and `chromium-driver` (or others of these names) are not installed.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from drystep.commands.answer.page import write_page
from drystep.commands.answer.timeline_page import write_timeline_page
from tests.drystep.commands.answer.sample_rows import ADVICE, HOSTILE, row, too_small

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WIDER = "return document.documentElement.scrollWidth - window.innerWidth;"
CUT = """
return [...document.querySelectorAll("svg.curve text")].filter((text) => {
  const own = text.getBoundingClientRect(), all = text.ownerSVGElement.getBoundingClientRect();
  return own.left < all.left - 1 || own.right > all.right + 1 || own.top < all.top - 1;
}).map((text) => text.textContent);
"""
"""Labels that the picture cuts off."""
GIB = 1 << 30
TIMELINE = {
    "peak": {
        "operator": 2, "allocated_bytes": 4 * GIB, "reserved_bytes": 5 * GIB, "name": "mm", "phase": "backward",
        "module": HOSTILE,
    },
    "peak_reserved_bytes": 5 * GIB,
    "failed_request_bytes": None,
    "by_category": {"parameters": 3 * GIB, "activations": GIB},
    "by_module": [{"module": HOSTILE, "total_bytes": 4 * GIB, "by_category": {}}],
    "by_operator": {"mm": 4 * GIB},
    "alive": [{"module": "a.b", "operator": "mm", "dtype": "float32", "shape": [4, 4], "size_bytes": 4 * GIB}],
    "moments": {"operator": [0, 1, 2], "allocated_bytes": [GIB, 2 * GIB, 4 * GIB], "reserved_bytes": [5 * GIB] * 3},
    "operators": [{"index": number, "phase": phase} for number, phase in enumerate(("forward", "forward", "backward"))],
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.mark.parametrize("name", ["answer", "timeline"])
def test_pages_fit_their_windows(browser: Chrome, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.html"
    if name == "answer":
        write_page(
            path, {"title": HOSTILE}, [row(advice=[ADVICE], warnings=[HOSTILE]), too_small()], {"a": HOSTILE, "b": "B"}
        )
    else:
        write_timeline_page(path, HOSTILE, TIMELINE, {HOSTILE: 5 * GIB}, 14)
    papers = set()
    for width in (400, 1200):
        for scheme in ("light", "dark"):
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == 400}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            browser.get(path.as_uri())
            assert browser.execute_script(WIDER) <= 0
            papers.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor;"))
            if width == 1200:
                assert browser.execute_script(CUT) == []
    assert len(papers) == 2
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.querySelectorAll('img, script').length;") == 0
