"""What the page shows of a job that has no transcript, not yet or never, or no recording any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests import media
from tests.acceptance.live import LiveService
from tests.acceptance.page.transcripts import finished, said, segments, show
from worker.store.job_store import LocalStore

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def test_a_running_job_becomes_its_transcript_by_itself(open_page: Open, slow: LiveService, clip: Path) -> None:
    job = slow.submit(clip)
    page = open_page(slow)
    page.evaluate("hash => location.hash = hash", f"#/jobs/{job}")
    page.get_by_role("button", name="Cancel", exact=True).wait_for()
    page.wait_for_selector("[data-ready]")
    assert said(page, 0).inner_text() == segments(slow, job)[0]["text"].strip()


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
    shown.wait_for()
    assert page.get_by_role("button", name="Try again").is_enabled()


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
