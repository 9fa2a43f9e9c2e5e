"""What the page shows of a job that has no transcript, not yet or never, or no recording any more."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests import media
from tests.acceptance.live import LiveService
from tests.acceptance.page.transcripts import LISTEN, SAVED, finished, said, segments, show, write
from worker.store.job_store import LocalStore

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Open = Callable[..., "Page"]


def test_a_running_job_becomes_its_transcript_by_itself(
    open_page: Open, slow: LiveService, clip: Path, long_file: Path
) -> None:
    page = open_page(slow)
    page.evaluate(LISTEN)
    before, job = slow.submit(long_file), slow.submit(clip)  # one at a time: it waits until it is looked at
    page.evaluate("hash => location.hash = hash", f"#/jobs/{job}")
    page.get_by_role("button", name="Cancel", exact=True).wait_for()
    slow.post(f"/v1/jobs/{before}/cancel").raise_for_status()
    page.wait_for_selector("[data-ready]")
    assert said(page, 0).inner_text() == segments(slow, job)[0]["text"].strip()
    announced = page.evaluate("announced.filter(Boolean)")
    assert "finished" in announced
    assert not [text for text in announced if re.search(r"[a-z]\.[a-z]|_", text)]  # the key of a message


def test_a_view_that_is_opened_before_the_page_has_begun_stays(open_page: Open, paged: LiveService, clip: Path) -> None:
    """By a link that is followed while the server is still asked who uses the page."""
    job, page = finished(paged, clip), open_page(path="/health/live")
    held: list[Route] = []
    page.route("**/session", lambda route: held.append(route))
    with page.expect_request("**/session"):  # from now on it heeds its address
        page.goto(f"{paged.url}/page")
    show(page, job)
    write(page, 0, "Typed meanwhile")
    with page.expect_response("**/session"):
        held.pop().continue_()
    page.wait_for_selector(SAVED)
    assert said(page, 0).inner_text() == "Typed meanwhile"
    assert page.locator(".tr-said[contenteditable]").count() == 1


def test_a_failed_job_says_why_and_can_be_tried_again(page: Page, paged: LiveService, tmp_path: Path) -> None:
    job = paged.submit(media.random_bytes(tmp_path / "random.mp3"))
    message = paged.ended(job)["error"]["message"]
    page.evaluate("hash => location.hash = hash", f"#/jobs/{job}")
    shown = page.locator(".tr-message.failed")
    shown.wait_for()
    assert message in shown.inner_text()
    with page.expect_response(lambda response: response.url.endswith("/retry")) as retried:
        page.get_by_role("button", name="Try again").click()
    assert retried.value.json()["id"] == job
    paged.ended(job)
    shown.locator("button:enabled", has_text="Try again").wait_for()


def test_a_deleted_job_is_not_there(page: Page) -> None:
    page.evaluate("location.hash = '#/jobs/job_0'")
    page.locator(".tr-message.gone").wait_for()


def test_without_its_recording_the_text_can_still_be_read(page: Page, paged: LiveService, clip: Path) -> None:
    job = finished(paged, clip)
    LocalStore(paged.data).drop_source(job)  # as its retention period does
    show(page, job)
    page.get_by_text("The recording is no longer kept.").wait_for()
    assert page.get_by_role("button", name="Play", exact=True).is_disabled()
    said(page, 0).dblclick()
    page.wait_for_selector(".tr-said[contenteditable]")
