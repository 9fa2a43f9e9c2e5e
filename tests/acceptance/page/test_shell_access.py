"""The page keeps nobody out: WCAG 2.2 AA by axe on every view, in both themes, and 360 pixels are enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.live import LiveService
from tests.acceptance.page.test_transcript_access import DARK, RULES, check

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]

COVERED = """[...document.querySelectorAll(".tr-controls > *")].filter(element => {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const at = x => document.elementFromPoint(x, (top + bottom) / 2);
  return [left + 1, right - 1].some(x => !element.contains(at(x)));
}).map(element => element.outerHTML)"""  # what something else lies over, or what lies outside the window


@pytest.mark.parametrize(("theme", "rules"), [("light", RULES), ("dark", DARK)])
def test_axe_finds_nothing(open_page: Open, paged: LiveService, axe: str, theme: str, rules: list[str]) -> None:
    failed = paged.submit(Path(__file__))  # which has no sound
    paged.ended(failed)
    page = open_page(color_scheme=theme, bypass_csp=True)
    page.add_script_tag(content=axe)
    page.locator(f"[data-id={failed}]").wait_for()
    page.get_by_text("Options:").click()
    page.get_by_label("Spoken language").wait_for()
    check(page, "list", rules)
    page.locator(f"[data-id={failed}]").get_by_role("button", name="Transcribe again").click()
    page.locator("dialog").wait_for()
    check(page, "retry", rules)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Shortcuts").wait_for()
    check(page, "keys", rules)
    page.keyboard.press("Escape")
    page.locator(f"[data-id={failed}]").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").wait_for()
    check(page, "deleted", rules)
    page.get_by_role("link", name="Use it from…").click()
    page.get_by_role("heading", name="n8n").wait_for()
    check(page, "use it from", rules)


def test_axe_finds_nothing_where_one_signs_in(open_page: Open, keyed: LiveService, axe: str) -> None:
    page = open_page(keyed, bypass_csp=True)
    page.add_script_tag(content=axe)
    page.get_by_label("API key").wait_for()
    check(page, "sign in")


def test_it_fits_a_phone(open_page: Open, paged: LiveService, clip: Path) -> None:
    job = paged.submit(clip, filename="x")
    page = open_page(viewport={"width": 360, "height": 640}, locale="de-DE")
    page.locator(f"[data-id={job}]").wait_for()
    page.get_by_text("Optionen:").click()
    page.get_by_label("Gesprochene Sprache").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("link", name="Nutzen mit…").click()
    page.get_by_role("heading", name="n8n").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    paged.ended(job)
    page.evaluate("hash => location.hash = hash", f"#/jobs/{job}")
    page.wait_for_selector("[data-ready]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(COVERED) == []


def test_a_player_stands_at_the_foot_of_the_window(open_page: Open, paged: LiveService, clip: Path) -> None:
    job = paged.submit(clip)
    paged.ended(job)
    page = open_page(path=f"/page#/jobs/{job}")
    page.wait_for_selector("[data-ready]")
    assert page.evaluate("innerHeight - document.querySelector('.tr-foot').getBoundingClientRect().bottom") == 0
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight") == 0


def test_the_keyboard_alone_is_enough(open_page: Open, paged: LiveService, clip: Path) -> None:
    older, newer = paged.submit(clip), paged.submit(clip)
    page = open_page()
    for job in (older, newer):
        page.locator(f"[data-id={job}]").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator(f"[data-id={newer}] .name").focus()
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('.row').dataset.id"
    assert page.evaluate(focused) == older
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-ready], .tr-live")
    assert page.evaluate("document.activeElement.id") == "main"  # Tab goes on from what was opened
