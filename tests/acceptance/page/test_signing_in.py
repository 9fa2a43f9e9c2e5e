"""Who uses the page: a key opens it, and one that is taken away loses nobody's work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.live import LiveService
from tests.acceptance.page.transcripts import SAVED, finished, said, segments, show, write
from tests.services import KEYS

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_signs_in_and_out_again(open_page: Open, keyed: LiveService, clip: Path) -> None:
    job = keyed.submit(clip)
    page = open_page(keyed)
    sign_in(page, "sk-wrong")
    page.get_by_text("The server does not know this key.").wait_for()
    sign_in(page, KEYS["anna"])
    page.locator(f"[data-id={job}]").wait_for()
    assert page.evaluate("document.cookie + localStorage.length") == "0"  # a script finds no key
    page.reload()
    page.locator(f"[data-id={job}]").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()
    page.locator(f"[data-id={job}]").wait_for(state="detached")


def test_a_session_that_ends_asks_again_and_goes_on(open_page: Open, keyed: LiveService, clip: Path) -> None:
    page = open_page(keyed)
    with page.expect_response(lambda answer: answer.ok and answer.url.endswith("/v1/jobs/events")):
        sign_in(page, KEYS["ben"])
    # Read with the old cookie: else the list asks for the key, and what is typed goes into that dialog.
    page.locator("[aria-label=Recordings]:not([aria-busy])").wait_for(state="attached")
    page.context.clear_cookies()  # as the service answers once the key is removed
    page.get_by_label("Search names and texts").fill("quarterly")
    page.get_by_text("nothing on this page is lost").wait_for()
    sign_in(page, KEYS["ben"])
    page.get_by_text("Nothing is found for “quarterly”.").wait_for()
    assert page.get_by_label("Search names and texts").input_value() == "quarterly"


@pytest.mark.slow
def test_a_key_that_is_changed_ends_its_sessions_and_loses_no_draft(
    open_page: Open, tmp_path: Path, clip: Path
) -> None:
    """Takes some 10 s: two starts of a service."""
    service = LiveService(tmp_path, {"WHISPER_ENGINE": "fake", "WHISPER_API_KEYS": "anna:sk-before"}, "sk-before")
    service.start()
    try:
        job, port = finished(service, clip), service.port
        page = open_page(service)
        sign_in(page, "sk-before")
        page.locator(f"[data-id={job}]").wait_for()
        show(page, job)
        service.stop()
        write(page, 0, "Written while the server was away")
        page.keyboard.press("Enter")
        page.locator(".tr-save.trouble").wait_for()
        service.settings = {
            "WHISPER_ENGINE": "fake", "WHISPER_API_KEYS": "anna:sk-after", "NATIVE_WHISPER_PORT": str(port),
        }  # fmt: skip
        service.key = "sk-after"
        service.start()
        page.get_by_text("Your key no longer opens this server.").wait_for()  # by itself: the draft is sent again
        assert said(page, 0).inner_text() == "Written while the server was away"
        sign_in(page, "sk-before")
        page.get_by_text("The server does not know this key.").wait_for()
        sign_in(page, "sk-after")
        page.wait_for_selector(SAVED)
        assert segments(service, job)[0]["text"].strip() == "Written while the server was away"
    finally:
        service.stop()
