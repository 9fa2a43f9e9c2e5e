"""A Word document: the recording's name, then its paragraphs with their times and speakers."""

from __future__ import annotations

import io
from typing import Any

from docx import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor
from docx.text.paragraph import Paragraph as WordParagraph

from api.answers.renderers.paragraphs import Paragraph, clock, one_line, paragraphs
from engines.transcript import Transcript

RIGHT_TO_LEFT = ("ar", "fa", "he", "ps", "sd", "ur", "yi")
_EAST_ASIAN = {"ja": "ja-JP", "ko": "ko-KR", "yue": "zh-HK", "zh": "zh-CN"}  # Word chooses the fonts by them


def docx(transcript: Transcript, title: str) -> bytes:
    """One paragraph for each of the text's; of Arabic, Hebrew and their like from right to left."""
    language = "en" if transcript.task == "translate" else transcript.language
    document = Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = one_line(title)[:255], "", ""
    properties.language = language
    _set_language(document, language)
    is_leftward = language in RIGHT_TO_LEFT
    if title:
        _turned(document.add_heading(one_line(title), level=1), is_leftward)
    for part in paragraphs(transcript):
        _write(document.add_paragraph(), part, is_leftward)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _write(paragraph: WordParagraph, part: Paragraph, is_leftward: bool) -> None:
    _turned(paragraph, is_leftward)
    time = paragraph.add_run(f"{clock(part.start)}  ")
    time.font.size, time.font.color.rgb = Pt(8), RGBColor(0x80, 0x80, 0x80)
    by = [paragraph.add_run(f"{part.speaker}: ")] if part.speaker else []
    for run in by:
        run.bold = True
    for run in (*by, paragraph.add_run(part.text)):
        run.font.rtl = is_leftward or None


def _turned(paragraph: WordParagraph, is_leftward: bool) -> None:
    if is_leftward:  # python-docx has no word for it; behind the style, before spacing and alignment, says the schema
        paragraph.paragraph_format.element.get_or_add_pPr().append(OxmlElement("w:bidi"))


def _set_language(document: Any, language: str) -> None:
    """What the text is checked in, and which fonts it has."""
    east_asian = _EAST_ASIAN.get(language)
    name = "w:bidi" if language in RIGHT_TO_LEFT else "w:eastAsia" if east_asian else "w:val"
    settings = document.settings.element.findall(qn("w:themeFontLang"))
    for element in (*document.styles.element.iter(qn("w:lang")), *settings):
        element.set(qn(name), east_asian or language)
