"""The tables of docs/API.md are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from api.http.errors import STATUS
from api.intake.form import Form
from scripts.documents.api_tables import TABLES, filled

PAGE = Path(__file__).parents[2] / "docs" / "API.md"
REMEDY = "Run `make docs`, which puts the tables into docs/API.md"


def test_the_page_has_every_table_as_the_code_has_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, f"The API has changed. {REMEDY}."
    assert sorted(re.findall(r"<!-- table: (.+) -->", page)) == sorted(TABLES), f"{REMEDY} between these markers."


def test_the_tables_have_every_field_and_code() -> None:
    fields = re.findall(r"^\| `(\w+)(?:\[\])?` \|", TABLES["form fields"](), flags=re.MULTILINE)
    assert fields == list(Form.model_fields)
    assert set(STATUS) <= set(re.findall(r"`(\w+)`", TABLES["error codes"]()))


def test_a_table_is_put_between_its_markers_and_nothing_else_is_touched() -> None:
    page = "before\n<!-- table: error codes -->\nold\n<!-- end of table -->\nafter <!-- table -->\n"
    whole = filled(page)
    assert whole == page.replace("old", TABLES["error codes"]())
    assert filled(whole) == whole
