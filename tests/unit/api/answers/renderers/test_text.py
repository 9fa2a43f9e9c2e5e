"""Text and Markdown: paragraphs where people pause, times if they are wanted, marks of the format as text."""

from __future__ import annotations

from api.answers.renderers.paragraphs import ENOUGH, one_line, paragraphs
from api.answers.renderers.text import escaped, markdown, text
from tests.unit.api_service import make_segment, make_transcript
from worker.store.records import Layout

PAUSED = make_transcript(
    make_segment(0, 0.0, 2.0, " Good morning."),
    make_segment(1, 2.1, 4.0, " Please sit down."),
    make_segment(2, 3661.0, 3663.0, " Now we begin."),
)


def test_text_is_one_line_unless_more_is_asked_for() -> None:
    assert text(PAUSED) == "Good morning. Please sit down. Now we begin.\n"
    assert text(make_transcript(make_segment(0, 0.0, 1.0, " "))) == ""


def test_text_with_times_and_paragraphs() -> None:
    assert text(PAUSED, Layout(timestamps=True)).splitlines() == [
        "[00:00:00] Good morning.",
        "[00:00:02] Please sit down.",
        "[01:01:01] Now we begin.",
    ]
    assert text(PAUSED, Layout(paragraphs=True)) == "Good morning. Please sit down.\n\nNow we begin.\n"
    both = text(PAUSED, Layout(paragraphs=True, timestamps=True))
    assert both == "[00:00:00] Good morning. Please sit down.\n\n[01:01:01] Now we begin.\n"


def test_a_paragraph_ends_after_enough_with_its_sentence() -> None:
    said = [" This is a sentence of a speaker who never pauses." for _ in range(60)]
    found = list(paragraphs(make_transcript(*(make_segment(at, at, at + 1, each) for at, each in enumerate(said)))))
    assert " ".join(each.text for each in found) == "".join(said).strip()
    assert all(ENOUGH - 1 <= len(each.text) < ENOUGH + 60 for each in found[:-1])
    unpunctuated = [make_segment(at, at, at + 1, " and so on") for at in range(200)]
    assert len(list(paragraphs(make_transcript(*unpunctuated)))) == 1


def test_markdown_has_the_name_and_the_times() -> None:
    assert markdown(PAUSED, "talk.mp3") == (
        "# talk.mp3\n\n*00:00:00* Good morning. Please sit down.\n\n*01:01:01* Now we begin.\n"
    )
    assert markdown(make_transcript(make_segment(0, 0.0, 1.0, " ")), "") == ""


def test_what_markdown_would_take_for_its_own_is_text() -> None:
    assert escaped("2 * 3 [x](y) <b> `a` _b_ #1 a|b & c\\d") == (r"2 \* 3 \[x\](y) \<b\> \`a\` \_b\_ \#1 a\|b \& c\\d")
    assert "# \\<img src=x\\>.mp3" in markdown(PAUSED, "<img src=x>.mp3")


def test_control_characters_are_left_out() -> None:
    assert one_line(" a\x00b\n c\x07\ud800\ufffe\td ") == "ab c d"
