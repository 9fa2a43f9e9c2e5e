"""Which tests show which row of the table, and how they went: a pytest plugin that writes docs/RELIABILITY.md."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.faults.table import FAULTS, UNRUNNABLE, Fault

DOCUMENT = Path(__file__).parents[2] / "docs" / "RELIABILITY.md"
SWITCH = "WRITE_FAULTS_TABLE"
PROPERTY = "fault"
_BETWEEN = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- /table -->)", re.DOTALL)
_WORST_FIRST = ("failed", "skipped", "passed")


@dataclass
class Shown:
    """The tests of one row: id without parameters -> the outcomes of all its variants."""

    outcomes: dict[str, list[str]] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)

    def add(self, name: str, outcome: str) -> None:
        self.outcomes.setdefault(name, []).append(outcome)

    @property
    def result(self) -> str:
        found = {outcome for outcomes in self.outcomes.values() for outcome in outcomes}
        return next((outcome for outcome in _WORST_FIRST if outcome in found), "not run")


class FaultCollector:
    """Registered by tests/conftest.py, so that tests of every level may show a row; works over several processes."""

    def __init__(self, config: pytest.Config) -> None:
        self._whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
        self.shown: dict[int, Shown] = {fault.number: Shown() for fault in FAULTS}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Before any test is left out: of the whole suite, every row must be shown by some test."""
        found: set[int] = set()
        for item in items:
            rows = {row for marker in item.iter_markers("fault") for row in marker.args}
            if unknown := rows - self.shown.keys():
                raise pytest.UsageError(f"{item.nodeid} is marked with rows the table does not have: {unknown}")
            found |= rows
            item.user_properties += [(PROPERTY, row) for row in sorted(rows)]  # travels with the test's report
        if self._whole and (missing := not_shown(found)):
            raise pytest.UsageError(f"no test is marked with the rows {missing} of tests/faults/table.py")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        name = report.nodeid.partition("@")[0].partition("[")[0].removeprefix("tests/")
        for row in [int(str(value)) for key, value in report.user_properties if key == PROPERTY]:
            self.shown[row].add(name, report.outcome)
            if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
                self.shown[row].reasons.add(str(report.longrepr[2]).removeprefix("Skipped: "))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if os.environ.get(SWITCH) and not hasattr(session.config, "workerinput"):
            write_table(self.shown, keep=not self._whole)


def not_shown(rows: set[int]) -> list[int]:
    """The rows that need a test and have none among these."""
    return sorted({fault.number for fault in FAULTS} - rows - UNRUNNABLE.keys())


def write_table(shown: dict[int, Shown], *, keep: bool) -> None:
    """Puts the table between the marks in the document. keep: rows of which nothing was run stay as they are."""
    text = DOCUMENT.read_text(encoding="utf-8")
    known = {int(row[2:].partition(" ")[0]): row for row in text.splitlines() if re.match(r"\| \d+ \|", row)}
    DOCUMENT.write_text(_BETWEEN.sub(lambda _: table(shown, known if keep else {}), text), encoding="utf-8")


def table(shown: dict[int, Shown], known: Mapping[int, str] = MappingProxyType({})) -> str:
    """known: rows to keep if no test of theirs was run."""
    head = ["| # | fault | promised | shown by | result |", "|---:|---|---|---|---|"]
    rows = [
        known[fault.number] if fault.number in known and not shown[fault.number].outcomes
        else _row(fault, shown[fault.number])
        for fault in FAULTS
    ]  # fmt: skip
    return "\n".join([*head, *rows, ""])


def _row(fault: Fault, shown: Shown) -> str:
    if fault.number in UNRUNNABLE and not shown.outcomes:
        tests, result = UNRUNNABLE[fault.number], "not run"
    else:
        tests = "<br>".join(_named(name, outcomes) for name, outcomes in sorted(shown.outcomes.items()))
        result = " ".join([shown.result, *_in_brackets(shown.reasons)])
    return f"| {fault.number} | {fault.fault} | {fault.promised} | {tests} | {result} |"


def _named(name: str, outcomes: list[str]) -> str:
    return f"`{name}`" + (f", {len(outcomes)} cases" if len(outcomes) > 1 else "")


def _in_brackets(reasons: Iterable[str]) -> list[str]:
    return [f"({'; '.join(sorted(reasons))})"] if reasons else []
