"""A finished transcript on the page: listening, reading along, finding, taking along."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.live import LiveService, until
from tests.acceptance.page.conftest import DEADLINE, watch
from tests.acceptance.page.transcripts import (
    NOTE,
    SAVED,
    comes_true,
    finished,
    plays,
    said,
    segments,
    show,
    time_of,
    write,
)
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]
HOSTILE = "<img src=x onerror=alert(1)> \u202e</p><script>alert(2)</script> &amp; שלום"
SPOKEN = "[...(CSS.highlights.get('spoken') ?? [])].map(String).join()"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def job(paged: LiveService, talk_file: Path, receiver: Receiver) -> str:
    """A talk of several segments and speakers, announced by a webhook."""
    return finished(paged, talk_file, diarize="true", webhook_url=receiver.url(host="localhost"))


@pytest.fixture(scope="module")
def reading(browser: Browser, paged: LiveService, job: str) -> Iterator[Page]:
    """One page for the tests that change nothing."""
    complaints: list[str] = []
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(DEADLINE)
    page = context.new_page()
    watch(page, paged.url, complaints)
    page.goto(f"{paged.url}/page")
    yield page
    context.close()
    assert complaints == []


def test_from_a_word_to_a_correction_to_the_files_and_the_webhook(
    page: Page, paged: LiveService, job: str, receiver: Receiver
) -> None:
    show(page, job)
    second = segments(paged, job, **{"timestamp_granularities[]": ["word", "segment"]})[1]
    page.evaluate(NOTE)
    said(page, 1).click(position={"x": 8, "y": 10})
    plays(page, second["words"][0]["start"])
    words = [word["word"] for word in second["words"]]
    until(lambda: page.evaluate(SPOKEN) in words, "the word is marked that is spoken")
    write(page, 1, f"Corrected: {HOSTILE}")
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    page.reload()
    page.wait_for_selector("[data-ready]")
    assert said(page, 1).inner_text().startswith("Corrected: <img src=x onerror=alert(1)>")
    assert page.locator(".tr img, .tr script").count() == 0
    assert "Corrected: <img" in paged.get(f"/v1/jobs/{job}/transcript", format="srt").text
    docx = zipfile.ZipFile(io.BytesIO(paged.get(f"/v1/jobs/{job}/transcript", format="docx").content))
    assert "Corrected: &lt;img" in docx.read("word/document.xml").decode()
    before = len(receiver.requests)
    page.get_by_role("button", name="Webhook").click()
    page.get_by_role("button", name="Deliver again").click()
    until(lambda: len(receiver.requests) > before, "it is delivered again")
    assert "Corrected: <img" in json.loads(receiver.requests[-1].body)["data"]["text"]
    page.wait_for_selector(".tr-delivery.delivered")
    assert page.locator(".tr-deliveries tbody tr").count() >= 1


def test_a_view_that_ends_late_takes_no_mark_from_the_next(page: Page) -> None:
    """As one does that was still loading when the next was opened."""
    assert page.evaluate(
        """async () => {
          const { TranscriptText } = await import("/page/transcript/text.js");
          const { Words } = await import("/page/transcript/words.js");
          const made = () => new TranscriptText(new Words([]), { hrefOf: String, nameOf: String, found: () => [] });
          const [first, second] = [made(), made()];
          first.destroy();
          return CSS.highlights.get("spoken") === second.highlights.spoken;
        }"""
    )


def test_a_link_to_a_moment_opens_there(reading: Page, paged: LiveService, job: str) -> None:
    last = segments(paged, job)[-1]
    show(reading, job, f"?t={last['start'] + 0.2}")
    comes_true(reading, "document.querySelector('.tr-seg.now')")
    assert time_of(reading) == pytest.approx(last["start"] + 0.2, abs=0.05)
    assert reading.locator(".tr-seg.now").get_attribute("data-i") == str(last["id"])


def test_it_follows_until_the_reader_scrolls_and_comes_back_when_asked(open_page: Open, job: str) -> None:
    page = open_page(viewport={"width": 700, "height": 320})
    show(page, job)
    said(page, 0).click(position={"x": 8, "y": 10})
    page.wait_for_selector(".tr-seg.now")
    back = page.get_by_role("button", name="Back to now")
    assert not back.is_visible()
    page.mouse.move(350, 160)
    page.mouse.wheel(0, 400)
    back.wait_for()
    back.click()
    back.wait_for(state="hidden")
    comes_true(
        page,
        "(b => b.top >= 0 && b.bottom <= innerHeight)(document.querySelector('.now .tr-said').getBoundingClientRect())",
    )


def test_the_keyboard_alone_plays_jumps_and_changes_the_speed(reading: Page, paged: LiveService, job: str) -> None:
    show(reading, job)
    reading.locator("h1").click()  # no field has the focus
    reading.keyboard.press("Space")
    comes_true(reading, "!document.querySelector('audio').paused")
    reading.keyboard.press("Escape")
    comes_true(reading, "document.querySelector('audio').paused")
    at = time_of(reading)
    reading.keyboard.press("Control+ArrowRight")
    assert time_of(reading) == pytest.approx(at + 5, abs=0.2)
    reading.keyboard.press("]")
    assert reading.evaluate("document.querySelector('audio').playbackRate") == 1.25
    reading.keyboard.press("Alt+ArrowDown")
    reading.keyboard.press("Alt+ArrowDown")
    focused = reading.evaluate("document.activeElement.closest('.tr-seg').dataset.i")
    assert time_of(reading) == pytest.approx(segments(paged, job)[int(focused)]["start"], abs=0.1)
    reading.keyboard.press("e")
    reading.wait_for_selector(".tr-said[contenteditable]:focus")
    reading.keyboard.press("F2")
    reading.keyboard.press("Enter")
    assert reading.evaluate("document.activeElement.closest('.tr-seg').dataset.i") == focused
    assert not reading.locator(".tr-seg.waiting").count()


def test_it_finds_and_counts(reading: Page, job: str) -> None:
    show(reading, job)
    reading.locator("h1").click()
    reading.keyboard.press("/")
    reading.keyboard.type("w1.")
    reading.keyboard.press("Enter")
    count = reading.locator(".tr-count").inner_text()
    assert count.startswith("1 of ")
    reading.keyboard.press("Enter")
    assert reading.locator(".tr-count").inner_text().startswith("2 of ")
    assert reading.evaluate("[...CSS.highlights.get('found-now')].map(String)") == ["w1."]
    reading.keyboard.press("Escape")
    assert reading.evaluate("CSS.highlights.get('found').size") == 0


def test_an_export_is_what_its_options_say(reading: Page, job: str) -> None:
    show(reading, job)
    reading.get_by_role("button", name="Export").click()
    reading.get_by_label("Text (txt)").check()
    reading.get_by_label("Times", exact=True).check()
    with reading.expect_download() as started:
        reading.get_by_role("link", name="Download", exact=True).click()
    assert started.value.suggested_filename == "talk.txt"
    assert "0:0" in started.value.path().read_text(encoding="utf-8").splitlines()[0]
