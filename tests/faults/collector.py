"""Which tests show which row of the table, and how they went: a pytest plugin that writes docs/RELIABILITY.md."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.table import FAULTS, UNRUNNABLE, Fault

DOCUMENT = Path(__file__).parents[2] / "docs" / "RELIABILITY.md"
SWITCH = "WRITE_FAULTS_TABLE"
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
    """Registered by tests/conftest.py, so that tests of every level may show a row."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, ...]] = {}  # by the test's id
        self._shown: dict[int, Shown] = {fault.number: Shown() for fault in FAULTS}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            rows = {row for marker in item.iter_markers("fault") for row in marker.args}
            unknown = rows - self._shown.keys()
            if unknown:
                raise pytest.UsageError(f"{item.nodeid} is marked with rows the table does not have: {unknown}")
            self._rows[item.nodeid] = tuple(sorted(rows))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        name = report.nodeid.partition("[")[0].removeprefix("tests/")
        for row in self._rows.get(report.nodeid, ()):
            self._shown[row].add(name, report.outcome)
            if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
                self._shown[row].reasons.add(str(report.longrepr[2]).removeprefix("Skipped: "))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if config.option.collectonly and config.option.markexpr == "fault":
            rows = {row for rows in self._rows.values() for row in rows}
            terminalreporter.write_line(f"rows shown: {' '.join(map(str, sorted(rows)))}")

    def pytest_sessionfinish(self) -> None:
        if os.environ.get(SWITCH):
            write_table(self._shown)


def write_table(shown: dict[int, Shown]) -> None:
    """Puts the table between the marks in the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(_BETWEEN.sub(lambda _: table(shown), text), encoding="utf-8")


def table(shown: dict[int, Shown]) -> str:
    head = ["| # | fault | promised | shown by | result |", "|---:|---|---|---|---|"]
    return "\n".join([*head, *(_row(fault, shown[fault.number]) for fault in FAULTS), ""])


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
