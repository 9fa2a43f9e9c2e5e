"""The table of faults: no row forgotten, and a document that a run of the tests can write."""

from __future__ import annotations

import re

import pytest

from tests.faults.collector import DOCUMENT, FaultCollector, Shown, not_shown, table
from tests.faults.table import FAULTS, UNRUNNABLE


def test_rows_are_in_order_and_have_numbers_of_their_own() -> None:
    numbers = [fault.number for fault in FAULTS]
    assert numbers == sorted(set(numbers))
    assert numbers[:67] == list(range(1, 68))


def test_few_rows_cannot_be_shown_and_each_says_why() -> None:
    numbers = {fault.number for fault in FAULTS}
    assert len(UNRUNNABLE) <= 5
    assert all(row in numbers and len(reason) > 20 for row, reason in UNRUNNABLE.items())


def test_the_table_names_tests_once_and_shows_the_worst_result() -> None:
    shown = {fault.number: Shown() for fault in FAULTS}
    for outcome in ("passed", "skipped", "failed"):
        shown[1].add("faults/test_x.py::test_it", outcome)
    shown[2].add("faults/test_x.py::test_that", "skipped")
    shown[2].reasons.add("no mount here")
    lines = table(shown).splitlines()
    assert len(lines) == 2 + len(FAULTS)
    assert lines[2].endswith("| `faults/test_x.py::test_it`, 3 cases | failed |")
    assert lines[3].endswith("| `faults/test_x.py::test_that` | skipped (no mount here) |")
    assert lines[4].endswith("|  | not run |")


def test_no_cell_breaks_the_table() -> None:
    assert not [fault.number for fault in FAULTS if re.search(r"[|\n]", fault.fault + fault.promised)]


def test_a_row_without_a_test_is_named() -> None:
    """Every run of all suites asks this of what it has collected, and does not begin where a row is missing."""
    rows = {fault.number for fault in FAULTS} - UNRUNNABLE.keys()
    assert not_shown(rows) == []
    assert not_shown(rows - {67, 3}) == [3, 67]


def test_rows_travel_with_the_tests_reports(pytestconfig: pytest.Config) -> None:
    """A run of several processes has no more than those: only the first of them writes the table."""
    collector = FaultCollector(pytestconfig)
    for case, outcome in (("a", "passed"), ("b", "failed")):
        report = pytest.TestReport(
            nodeid=f"tests/faults/test_x.py::test_it[{case}]@group",
            location=("", None, ""),
            keywords={},
            outcome=outcome,  # type: ignore[arg-type]  # a literal by another way
            longrepr=None,
            when="call",
            user_properties=[("fault", 2), ("of", "others")],
        )
        collector.pytest_runtest_logreport(report)
    assert collector.shown[2].outcomes == {"faults/test_x.py::test_it": ["passed", "failed"]}
    assert not collector.shown[1].outcomes


def test_the_document_has_every_row_as_it_is_promised() -> None:
    """`make reliability` writes it anew."""
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == [(str(fault.number), fault.fault, fault.promised) for fault in FAULTS]
