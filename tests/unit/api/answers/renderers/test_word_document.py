"""Word documents, read back by the library and as XML."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from engines.transcript import Transcript
from tests.unit.api_service import make_segment, make_transcript

if TYPE_CHECKING:
    from docx.document import Document


def docx(transcript: Transcript, name: str) -> bytes:
    from api.answers.renderers.word_document import docx  # 0.1 s, in every process that only collects tests

    return docx(transcript, name)


def read(body: bytes) -> Document:
    from docx import Document

    return Document(io.BytesIO(body))


def parts(body: bytes, name: str = "word/document.xml") -> str:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return archive.read(name).decode()


def test_a_heading_and_a_paragraph_for_each_of_the_texts() -> None:
    said = make_transcript(make_segment(0, 0.0, 1.0, " Hello there."), make_segment(1, 65.0, 66.0, " Bye now."))
    document = read(docx(said, "Größe <1>.mp3"))
    assert [each.text for each in document.paragraphs] == [
        "Größe <1>.mp3",
        "00:00:00  Hello there.",
        "00:01:05  Bye now.",
    ]
    assert document.paragraphs[0].style.name == "Heading 1"  # type: ignore[union-attr]  # it has one
    assert (document.core_properties.title, document.core_properties.author) == ("Größe <1>.mp3", "")
    assert "w:bidi/" not in parts(docx(said, ""))


@pytest.mark.parametrize("language", ["ar", "he", "fa", "ur"])
def test_arabic_and_hebrew_run_from_right_to_left(language: str) -> None:
    said = make_transcript(make_segment(0, 0.0, 1.0, " مرحبا بكم."), language=language)
    xml = parts(docx(said, "talk.mp3"))
    assert xml.count("<w:bidi/>") == 2
    assert xml.count("<w:rtl/>") == 1
    assert f'w:bidi="{language}"' in parts(docx(said, ""), "word/styles.xml")


def test_a_translation_is_english_whatever_was_spoken() -> None:
    assert "w:bidi/" not in parts(docx(make_transcript(language="ar", task="translate"), "x"))


@pytest.mark.parametrize(("language", "name"), [("ja", "ja-JP"), ("zh", "zh-CN"), ("ko", "ko-KR")])
def test_east_asian_text_is_marked_so_that_word_has_the_signs_for_it(language: str, name: str) -> None:
    said = make_transcript(make_segment(0, 0.0, 1.0, "漢字。"), language=language)
    assert f'w:eastAsia="{name}"' in parts(docx(said, ""), "word/styles.xml")


def test_what_xml_cannot_hold_is_left_out() -> None:
    said = make_transcript(make_segment(0, 0.0, 1.0, " a\x00b\x1b\ud800c"))
    assert read(docx(said, "x\x07y")).paragraphs[1].text == "00:00:00  abc"
