"""Tables with a row for each segment: CSV for spreadsheets, TSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from api.answers.renderers.paragraphs import lines
from engines.transcript import Transcript

COLUMNS = ("start", "end", "speaker", "text")  # seconds; a speaker if they were told apart
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # a cell that begins so is run by spreadsheets
_BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as something else


def comma_separated(transcript: Transcript) -> str:
    """RFC 4180, marked as UTF-8."""
    return _BYTE_ORDER_MARK + _table(transcript, ",", "\r\n")


def tab_separated(transcript: Transcript) -> str:
    return _table(transcript, "\t", "\n")


def _table(transcript: Transcript, delimiter: str, end: str) -> str:
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter, lineterminator=end)
    writer.writerow(COLUMNS)
    writer.writerows(_rows(transcript))
    return table.getvalue()


def _rows(transcript: Transcript) -> Iterator[tuple[str, ...]]:
    for line in lines(transcript):
        yield f"{line.start:.3f}", f"{line.end:.3f}", _cell(line.speaker), _cell(line.text)


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
