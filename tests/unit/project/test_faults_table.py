"""The table of faults: 67 rows, none forgotten, and a document that a run of the tests can write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.faults.collector import DOCUMENT, Shown, table
from tests.faults.table import FAULTS, UNRUNNABLE

ROOT = Path(__file__).parents[3]


def test_there_are_67_rows_in_order() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 68))


def test_few_rows_cannot_be_shown_and_each_says_why() -> None:
    assert len(UNRUNNABLE) <= 5
    assert all(1 <= row <= 67 and len(reason) > 20 for row, reason in UNRUNNABLE.items())


def test_the_table_names_tests_once_and_shows_the_worst_result() -> None:
    shown = {fault.number: Shown() for fault in FAULTS}
    for outcome in ("passed", "skipped", "failed"):
        shown[1].add("faults/test_x.py::test_it", outcome)
    shown[2].add("faults/test_x.py::test_that", "skipped")
    shown[2].reasons.add("no mount here")
    lines = table(shown).splitlines()
    assert len(lines) == 2 + 67
    assert lines[2].endswith("| `faults/test_x.py::test_it`, 3 cases | failed |")
    assert lines[3].endswith("| `faults/test_x.py::test_that` | skipped (no mount here) |")
    assert lines[4].endswith("|  | not run |")


def test_no_cell_breaks_the_table() -> None:
    assert not [fault.number for fault in FAULTS if re.search(r"[|\n]", fault.fault + fault.promised)]


def test_every_row_is_shown_by_a_test_or_says_why_not() -> None:
    """By what pytest collects from all suites: rows may stand in parameters."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "fault"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.search(r"^rows shown: (.*)$", listed.stdout, flags=re.MULTILINE)
    assert found, listed.stdout + listed.stderr
    missing = {fault.number for fault in FAULTS} - set(map(int, found[1].split())) - UNRUNNABLE.keys()
    assert not missing, f"no test is marked with {sorted(missing)}"


def test_the_document_has_every_row_as_it_is_promised() -> None:
    """`make reliability` writes it anew."""
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == [(str(fault.number), fault.fault, fault.promised) for fault in FAULTS]
