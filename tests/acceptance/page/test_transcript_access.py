"""The view of a transcript keeps nobody out: WCAG 2.2 AA by axe, on every state and in both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.live import LiveService
from tests.acceptance.page.transcripts import finished, said, show
from tests.receiver import receiving

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
DARK = ["color-contrast"]  # all that depends on the theme


def check(page: Page, state: str, rules: list[str] = RULES) -> None:
    run = f"axe.run(document, {{runOnly: {rules}}})"
    found = page.evaluate(f"{run}.then(found => found.violations.map(each => [each.id, each.nodes[0].html]))")
    assert found == [], f"{state}: {found}"


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, paged: LiveService, talk_file: Path, axe: str, theme: str) -> None:
    with receiving() as receiver:
        job = finished(paged, talk_file, diarize="true", webhook_url=receiver.url(host="localhost"))
    page = open_page(color_scheme=theme, bypass_csp=True)
    page.add_script_tag(content=axe)
    show(page, job)
    check(page, "read")
    said(page, 1).click(position={"x": 8, "y": 10})
    check(page, "played")
    page.keyboard.press("e")
    check(page, "corrected")
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    page.keyboard.type("w1")
    page.get_by_role("button", name="Replace…").click()
    check(page, "searched")
    page.keyboard.press("Escape")
    for name in ("Export", "Speakers", "Webhook"):
        page.get_by_role("button", name=name, exact=True).click()
        page.locator("dialog").wait_for()
        check(page, name)
        page.keyboard.press("Escape")


def test_it_fits_a_phone_and_reads_from_right_to_left(open_page: Open, paged: LiveService, clip: Path) -> None:
    job = finished(paged, clip)
    with paged.http() as client:
        body = {"segments": [{"id": 0, "text": "שלום לכולם, ברוכים הבאים"}]}
        client.patch(f"/v1/jobs/{job}/transcript", json=body, headers={"if-match": "*"}).raise_for_status()
    page = open_page(viewport={"width": 360, "height": 640}, locale="de-DE")
    show(page, job)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_by_role("button", name="Abspielen").is_visible()
    assert said(page, 0).evaluate("element => getComputedStyle(element).direction") == "rtl"
    box = page.locator(".tr-player").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 640
