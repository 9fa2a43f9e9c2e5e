"""The main path once in Firefox: hear a word, correct a passage, find it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.live import LiveService
from tests.acceptance.page.transcripts import finished, segments
from tests.firefox import browsing

ENTER = "\ue007"
SAID = "document.querySelectorAll('.tr-said')[1]"
READY = "document.querySelector('[data-ready]')"


@pytest.mark.slow
def test_a_word_is_heard_and_a_passage_corrected_in_firefox(
    paged: LiveService, talk_file: Path, tmp_path: Path
) -> None:
    """Takes up to 20 s: Firefox starts slowly, with a profile of its own."""
    job = finished(paged, talk_file)
    second = segments(paged, job)[1]
    with browsing(tmp_path) as firefox:
        firefox.open(f"{paged.url}/page#/jobs/{job}")
        firefox.until(f"{READY} !== null")
        firefox.click(SAID)
        firefox.until("!document.querySelector('audio').paused")
        assert second["start"] <= firefox.run("document.querySelector('audio').currentTime") <= second["end"] + 1
        firefox.until("CSS.highlights.get('spoken').size === 1")
        firefox.click("document.querySelector('.tr-seg:nth-child(2) .tr-tools button')")
        firefox.until("document.activeElement.isContentEditable")
        firefox.type(" corrected in Firefox")
        firefox.type(ENTER)
        firefox.until("document.querySelector('.tr-save').textContent.startsWith('All changes saved')")
        firefox.call("WebDriver:Refresh")
        firefox.until(f"{READY} !== null")
        assert firefox.run(f"{SAID}.textContent").endswith("corrected in Firefox")
    assert segments(paged, job)[1]["text"].endswith("corrected in Firefox")
