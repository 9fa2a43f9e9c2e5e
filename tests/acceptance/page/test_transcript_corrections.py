"""Corrections on the page: saved, undone, repeated, asked about; over all of the text; and who speaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.live import LiveService, until
from tests.acceptance.page.transcripts import SAVED, comes_true, correct, finished, said, segments, show, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


# What is to be sent by hand must not have been sent by itself before.
NO_REPEATS = """(later => {
  window.setTimeout = (act, after, ...rest) => later(act, after < 2000 ? after : 1e9, ...rest);
})(setTimeout)"""


@pytest.fixture(scope="module")
def job(paged: LiveService, talk_file: Path) -> str:
    """Each test corrects segments of its own in it."""
    return finished(paged, talk_file, diarize="true")


def text_of(service: LiveService, job_id: str, number: int) -> str:
    text: str = segments(service, job_id)[number]["text"]
    return text.strip()


def test_it_is_saved_while_one_types_and_undone_and_done_again(page: Page, paged: LiveService, job: str) -> None:
    show(page, job)
    before = text_of(paged, job, 0)
    write(page, 0, "Typed, and left there")
    page.wait_for_selector(SAVED)
    assert text_of(paged, job, 0) == "Typed, and left there"
    page.keyboard.press("Enter")
    page.keyboard.press("Control+z")
    until(lambda: text_of(paged, job, 0) == before, "it is undone")
    page.keyboard.press("Control+y")
    until(lambda: text_of(paged, job, 0) == "Typed, and left there", "it is done again")
    page.wait_for_selector(SAVED)
    assert said(page, 0).inner_text() == "Typed, and left there"


def test_what_two_correct_at_once_is_shown_and_neither_is_lost(open_page: Open, paged: LiveService, job: str) -> None:
    mine = open_page()
    show(mine, job)
    correct(paged, job, 1, "From another tab")
    correct(paged, job, 2, "Another passage")
    write(mine, 1, "From this tab")
    mine.keyboard.press("Enter")
    shown = mine.locator(".tr-conflict")
    shown.wait_for()
    assert "From this tab" in shown.inner_text()
    assert "From another tab" in shown.inner_text()
    assert said(mine, 2).inner_text() == "Another passage"
    assert text_of(paged, job, 1) == "From another tab"
    mine.get_by_role("button", name="Keep yours").click()
    mine.wait_for_selector(SAVED)
    assert text_of(paged, job, 1) == "From this tab"
    assert shown.count() == 0


def test_what_could_not_be_saved_stays_and_is_sent_again(page: Page, paged: LiveService, job: str) -> None:
    show(page, job)
    page.evaluate(NO_REPEATS)
    page.route("**/transcript", lambda route: route.abort())
    write(page, 1, "Written without a connection")
    page.keyboard.press("Enter")
    page.locator(".tr-save.trouble", has_text="Not saved").wait_for()
    page.evaluate("location.hash = '#/'")  # to the list and back: it is not lost
    page.locator(".bring").wait_for()
    show(page, job)
    assert said(page, 1).inner_text() == "Written without a connection"
    page.unroute("**/transcript")
    page.get_by_role("button", name="Save now").click()
    page.wait_for_selector(SAVED)
    assert text_of(paged, job, 1) == "Written without a connection"


def test_find_and_replace_over_all_of_it(page: Page, paged: LiveService, talk_file: Path) -> None:
    job = finished(paged, talk_file)
    count = " ".join(segment["text"] for segment in segments(paged, job)).count("w1.")
    assert count > 3
    show(page, job)
    page.set_viewport_size({"width": 1280, "height": 400})
    page.mouse.move(400, 250)
    page.mouse.wheel(0, 200)
    comes_true(page, "scrollY > 150")
    page.keyboard.press("/")
    page.keyboard.type("W1.")
    assert page.evaluate("scrollY") > 150  # what is read stays in view
    page.get_by_role("button", name="Replace…").click()
    page.get_by_placeholder("Replace with").fill("$& one ")
    page.get_by_role("button", name="Replace all").click()
    page.wait_for_selector(SAVED)
    text = " ".join(segment["text"] for segment in segments(paged, job))
    assert text.count("$& one ") == count
    page.get_by_role("button", name="Undo").click()
    until(lambda: "$&" not in str(segments(paged, job)), "it is undone")


def test_speakers_are_named_merged_and_told_apart_anew(page: Page, paged: LiveService, talk_file: Path) -> None:
    job = finished(paged, talk_file, diarize="true", num_speakers="2")
    known = [speaker["id"] for speaker in paged.job(job)["speakers"]]
    assert known == ["A", "B"]
    show(page, job)
    page.get_by_role("button", name="Speakers").click()
    page.locator("dialog input").first.fill("Anna & <i>")
    page.get_by_role("button", name="Save").click()
    page.locator("dialog").wait_for(state="detached")
    page.wait_for_selector(".tr-speaker:has-text('Anna & <i>')")
    assert "Anna & <i>" in paged.get(f"/v1/jobs/{job}/transcript", format="md").text.replace("\\", "").replace(
        "&amp;", "&"
    ).replace("&lt;", "<")
    said(page, 0).hover()
    page.get_by_role("button", name="Speaker", exact=True).click()
    page.locator("dialog").get_by_role("button", name="B", exact=True).click()
    page.wait_for_selector(SAVED)
    assert segments(paged, job)[0]["speaker"] == "B"
    page.get_by_role("button", name="Undo").click()
    until(lambda: segments(paged, job)[0]["speaker"] == "Anna & <i>", "it is undone")
    said(page, 0).hover()
    page.get_by_role("button", name="Speaker", exact=True).click()
    page.locator("dialog").get_by_role("button", name="Somebody else").click()
    until(lambda: [speaker["id"] for speaker in paged.job(job)["speakers"]] == ["A", "B", "C"], "there is another")


def test_a_title_replaces_the_files_name(page: Page, paged: LiveService, job: str) -> None:
    show(page, job)
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("<b>Board</b> meeting")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('<b>Board</b> meeting')")
    assert paged.job(job)["title"] == "<b>Board</b> meeting"
