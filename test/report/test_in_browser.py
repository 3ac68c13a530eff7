"""A page in Chromium: it asks for nothing, complains of nothing, and its viewer can be used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hma_depth_ros.html_report.evaluation_page import evaluation_page
from hma_depth_ros.html_report.render_page import rendered

from .headless_page import PROGRAMS, HeadlessPage, chromium, headless_page
from .pages import evaluation, layers

WIDE, PHONE = (1440, 900), (390, 844)


@pytest.fixture(scope="module")
def browser() -> Iterator[HeadlessPage]:
    program = chromium()
    if program is None:
        pytest.skip(f"no Chromium: none of {', '.join(PROGRAMS)} is installed")
    with headless_page(program) as page:
        yield page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [layers("b_0", "worst", size=(96, 320)), layers("a_0", "best", size=(96, 320))]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(rendered(evaluation_page(evaluation(), frames, where="x")), encoding="utf-8")
    return path


def value(browser: HeadlessPage, of: str, name: str) -> str:
    text: str = browser.evaluate(
        f"getComputedStyle(document.querySelector({of!r})).getPropertyValue({name!r})"
    )
    return text


def test_a_page_in_a_browser(browser: HeadlessPage, page: Path):
    browser.look(width=WIDE[0], height=WIDE[1])
    browser.open(page)
    assert browser.evaluate("document.documentElement.dataset.ready") == "yes"
    assert browser.complaints == []
    asked = [url for url in browser.requests if not url.startswith("data:")]
    assert asked == [page.as_uri()]

    # Nothing is wider than the screen, and both themes have their colours.
    for width, height in (WIDE, PHONE):
        colors = set()
        for dark in (False, True):
            browser.look(width=width, height=height, dark=dark)
            assert browser.evaluate("document.documentElement.scrollWidth") == width
            colors.add(value(browser, "body", "background-color"))
        assert colors == {"rgb(255, 255, 255)", "rgb(15, 19, 23)"}

    # The keyboard moves the line, and the left picture ends there.
    browser.evaluate("document.querySelector('.stage input').focus()")
    browser.press("ArrowRight", times=3)
    assert value(browser, ".stage", "--cut") == "53%"
    assert value(browser, ".layer.left", "clip-path") == "inset(0px 47% 0px 0px)"
    # So does a finger; again where a busy machine had not laid the page out when it was asked.
    for _ in range(5):
        left, top, wide = browser.evaluate(
            "(() => { const s = document.querySelector('.stage'); s.scrollIntoView("
            "{block: 'center', behavior: 'instant'}); const r = s.getBoundingClientRect(); "
            "return [r.left, r.top, r.width] })()"
        )
        browser.touch(left + 0.5 * wide, top + 20, left + 0.25 * wide)
        end = time.monotonic() + 3
        while (cut := value(browser, ".stage", "--cut")) == "53%" and time.monotonic() < end:
            time.sleep(0.05)
        if cut != "53%":
            break
    assert float(cut.removesuffix("%")) == pytest.approx(25, abs=1)

    # Another layer is shown when it is chosen, with the key of its colours, in this frame alone.
    browser.evaluate(
        "document.querySelector('fieldset[data-side=right] input[value=error]').click()"
    )
    shown = "[...document.querySelectorAll('.layer.right')].map(i => i.dataset.layer)"
    assert browser.evaluate(shown) == ["error", "depth"]
    keys = "[...document.querySelector('.frame').querySelectorAll('.key:not([hidden])')]"
    assert browser.evaluate(f"{keys}.map(k => k.dataset.layer)") == ["error"]
    assert browser.complaints == []


def test_the_policy_stops_what_a_page_would_load(browser: HeadlessPage, page: Path, tmp_path: Path):
    """And so the test above would see it."""
    broken = tmp_path / "broken.html"
    more = '<img src="http://127.0.0.1:9/x.png"><script>console.error("ran")</script><main>'
    broken.write_text(page.read_text(encoding="utf-8").replace("<main>", more), encoding="utf-8")
    browser.open(broken)
    browser.evaluate("0")
    assert len(browser.complaints) >= 2
    assert all("Content Security Policy" in complaint for complaint in browser.complaints)
