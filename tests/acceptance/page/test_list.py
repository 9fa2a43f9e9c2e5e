"""The list of recordings: live, searched, canceled, retried, deleted with a way back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.acceptance.live import LiveService, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def rows(page: Page, job_id: str) -> Any:
    return page.locator(f".row[data-id={job_id}]")


def is_there(service: LiveService, job_id: str) -> bool:
    return service.get(f"/v1/jobs/{job_id}").status_code == 200


def test_a_deleted_one_comes_back_and_goes_for_good_when_the_page_is_left(
    page: Page, paged: LiveService, clip: Path
) -> None:
    kept, gone = (paged.submit(clip) for _ in range(2))
    for job in (kept, gone):
        paged.ended(job)
        rows(page, job).wait_for()
    rows(page, kept).get_by_role("button", name="Delete").click()
    rows(page, kept).wait_for(state="detached")
    page.get_by_role("button", name="Undo").click()
    rows(page, kept).wait_for()
    rows(page, gone).get_by_role("button", name="Delete").click()
    rows(page, gone).wait_for(state="detached")
    assert is_there(paged, gone)
    page.goto("about:blank")
    until(lambda: not is_there(paged, gone), "it is deleted")
    assert is_there(paged, kept)


def test_search_and_filter_find_it(page: Page, paged: LiveService, clip: Path) -> None:
    found, other = paged.submit(clip, metadata=json.dumps({"project": "Überlandwerk"})), paged.submit(clip)
    rows(page, other).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("uberland")
    rows(page, other).wait_for(state="detached")
    rows(page, found).wait_for()
    page.get_by_label("Search names and texts").fill("zebra")
    page.get_by_text("Nothing is found for “zebra”.").wait_for()
    page.get_by_role("button", name="Show all").click()
    rows(page, other).wait_for()
    paged.ended(other)
    page.get_by_role("button", name="Failed", exact=True).click()
    rows(page, other).wait_for(state="detached")


def test_a_finished_one_runs_with_other_options_anew(page: Page, paged: LiveService, clip: Path) -> None:
    job = paged.submit(clip)
    paged.ended(job)
    rows(page, job).get_by_role("button", name="Transcribe again").click()
    page.locator("dialog").get_by_label("Spoken language").select_option("fr")
    page.locator("dialog").get_by_role("button", name="Transcribe", exact=True).click()
    page.locator(".row[data-status=finished]", has_text="French").wait_for()
    assert rows(page, job).is_visible()


def test_one_that_waits_or_runs_can_be_canceled(open_page: Open, slow: LiveService, long_file: Path) -> None:
    page = open_page(slow)
    first, second = slow.submit(long_file), slow.submit(long_file)
    rows(page, first).get_by_role("progressbar").wait_for()
    rows(page, first).get_by_text("times real time").wait_for()
    rows(page, first).locator(".live", has_text=re.compile(r"w\d+\.")).wait_for()  # what is said, as it is being found
    rows(page, second).get_by_text("Next in the queue").wait_for()
    for job in (second, first):
        rows(page, job).get_by_role("button", name="Cancel").click()
        rows(page, job).get_by_text("Canceled").wait_for()
        assert slow.ended(job)["status"] == "canceled"


def test_it_speaks_german_and_keeps_to_it(page: Page, paged: LiveService) -> None:
    failed = paged.submit(Path(__file__))  # which has no sound
    page.get_by_label("Language of this page").select_option("de")
    page.get_by_role("button", name="Aufnahmen hinzufügen").wait_for()
    page.reload()
    page.get_by_role("button", name="Aufnahmen hinzufügen").wait_for()
    assert page.evaluate("document.documentElement.lang") == "de"
    rows(page, failed).get_by_text("Fehlgeschlagen: Die Datei lässt sich nicht als Audio oder Video lesen.").wait_for()


def test_use_it_from_is_filled_in(page: Page, paged: LiveService) -> None:
    page.get_by_role("link", name="Use it from…").click()
    page.get_by_role("heading", name="n8n").wait_for()
    examples = page.locator("pre").all_inner_texts()
    assert examples[0] == f"{paged.url}/v1"
    assert f"curl {paged.url}/v1/audio/transcriptions" in examples[1]
    node = json.loads(examples[-1])["nodes"][0]
    assert node["parameters"]["url"] == f"{paged.url}/v1/audio/transcriptions"
