"""Tables: every program reads them back, and no spreadsheet runs what somebody said."""

from __future__ import annotations

import csv
import io

import pytest

from api.answers.renderers.tables import comma_separated, tab_separated
from tests.unit.api_service import make_segment, make_transcript

QUOTED = ' She said "well, no",\n\tand left.'


def rows(body: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body), delimiter=delimiter))


@pytest.mark.parametrize(("write", "delimiter"), [(comma_separated, ","), (tab_separated, "\t")])
def test_a_row_for_each_segment_with_text(write, delimiter: str) -> None:  # type: ignore[no-untyped-def]
    found = make_transcript(
        make_segment(0, 0.0, 3.3214, QUOTED), make_segment(1, 4.0, 5.0, " "), make_segment(2, 6.0, 7.0, " 漢字。")
    )
    assert rows(write(found).removeprefix("\ufeff"), delimiter) == [
        ["start", "end", "speaker", "text"],
        ["0.000", "3.321", "", 'She said "well, no", and left.'],
        ["6.000", "7.000", "", "漢字。"],
    ]


def test_csv_is_marked_as_utf_8_for_spreadsheets_and_tsv_is_not() -> None:
    assert comma_separated(make_transcript()).startswith("\ufeffstart,end,speaker,text\r\n")
    assert tab_separated(make_transcript()).startswith("start\tend\tspeaker\ttext\n")


@pytest.mark.parametrize("said", ["=1+1", "+49 30", "-5 degrees", "@SUM(A1)", " \t=cmd|' /C calc'!A0", "＝1"])
def test_what_looks_like_a_formula_is_text(said: str) -> None:
    for write, delimiter in ((comma_separated, ","), (tab_separated, "\t")):
        cell = rows(write(make_transcript(make_segment(0, 0.0, 1.0, said))), delimiter)[1][3]
        assert cell == f"'{said.strip()}"
    assert ",a=b\r\n" in comma_separated(make_transcript(make_segment(0, 0.0, 1.0, " a=b")))
