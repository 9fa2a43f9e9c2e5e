"""What a browser is sent in place of the page's own files: few, and the same page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from api.page.joining import reached
from api.page.static_files import FOLDER
from tests.acceptance.live import LiveService
from tests.acceptance.page.transcripts import finished, show

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]

ASKED = """() => performance.getEntriesByType("resource").map(entry => entry.name)
  .filter(name => name.includes("/page/"))"""
RULES = """async addresses => {
  const texts = await Promise.all(addresses.map(async address => (await fetch(address)).text()));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(texts.join("\\n"));
  return [...sheet.cssRules].map(rule => rule.cssText.replaceAll(", ", ","));
}"""  # what stands in variables is left as it is written


def test_few_files_are_asked_for(open_page: Open, paged: LiveService, clip: Path) -> None:
    job, page = finished(paged, clip), open_page(viewport={"width": 1000, "height": 700})
    page.locator(f"[data-id={job}]").wait_for()
    first = {address.rpartition("/page/")[2].partition("/")[2] for address in page.evaluate(ASKED)}
    assert first - {"icon.svg"} == {"app.js", "messages.en.js", "style.css"}
    show(page, job)
    page.get_by_role("button", name="Export").click()
    page.locator("dialog").wait_for()
    after = {address.rpartition("/page/")[2].partition("/")[2] for address in page.evaluate(ASKED)}
    assert after - first == {"transcript/view.js"}


def test_the_style_sheet_that_is_sent_means_what_its_parts_mean(page: Page) -> None:
    sent = page.evaluate("document.querySelector('link[rel=stylesheet]').href")
    assert "/page/v-" in sent
    rules = page.evaluate(RULES, [sent])
    assert len(rules) > 200
    assert rules == page.evaluate(RULES, ["/page/page.css", "/page/transcript/style.css"])


def test_no_module_hides_from_another_what_browsers_have(open_page: Open) -> None:
    """Joined, they share their names: one that was called `open` would be opened in place of a window."""
    page = open_page(path="/health/live")  # without the page's elements, which have names too
    texts = [*reached("app.js", FOLDER).values(), *reached("transcript/view.js", FOLDER).values()]
    names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", "\n".join(texts), re.MULTILINE)
    assert len(names) > 200
    assert page.evaluate("names => names.filter(name => name in globalThis)", names) == []
