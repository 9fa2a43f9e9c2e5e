"""How long the tests take: a pytest plugin that asks long ones for their reason, and gives a table by folder.

`make test-times` runs what `make test` runs, puts the table into CONTRIBUTING.md and fails if a long test gives no
reason. Any other run names it only: how fast a machine is says nothing about a change.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

LONG = 10.0  # seconds; a test that takes longer says why in its docstring
PATIENCE = 2.0  # times as long is let pass: for slow machines, and for four files at a time on two cores
SWITCH = "WRITE_TEST_TIMES"
CPU, UNEXPLAINED = "processor seconds", "unexplained seconds"  # properties that travel with a test's report
DOCUMENT = Path(__file__).parent.parent / "CONTRIBUTING.md"
_BETWEEN = re.compile(r"(?<=<!-- test times -->\n).*?(?=<!-- /test times -->)", re.DOTALL)


@dataclass
class Times:
    """The tests of one folder: how many, their seconds, and processor seconds with all processes they start."""

    tests: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


class TestTimes:
    """Registered by tests/conftest.py; measures processor time once a file, since looking at processes costs some."""

    __test__ = False  # a plugin, whatever its name begins with

    def __init__(self) -> None:
        self.folders: dict[str, Times] = defaultdict(Times)
        self.unexplained: dict[str, float] = {}
        self._spent = cpu_seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        self._ends_file = nextitem is None or nextitem.path != item.path
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" and report.duration > LONG * PATIENCE and not _reason(item):
            report.user_properties.append((UNEXPLAINED, report.duration))
        if report.when == "teardown" and self._ends_file:
            before, self._spent = self._spent, cpu_seconds()
            report.user_properties.append((CPU, max(self._spent - before, 0.0)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        times = self.folders[report.nodeid.partition("::")[0].rpartition("/")[0]]
        times.tests += report.when == "call"
        times.seconds += report.duration
        for name, value in report.user_properties:
            if name == CPU and report.when == "teardown":
                times.cpu += float(str(value))
            if name == UNEXPLAINED:
                self.unexplained[report.nodeid] = float(str(value))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        strict = os.environ.get(SWITCH) and not hasattr(session.config, "workerinput")
        if self.unexplained and strict and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, seconds in self.unexplained.items():
            terminalreporter.write_line(f"{name} took {seconds:.0f} s: let its docstring say why, or make it quicker")
        if os.environ.get(SWITCH):
            shown = table(self.folders)
            terminalreporter.write_line(shown)
            if DOCUMENT.exists():
                text = DOCUMENT.read_text(encoding="utf-8")
                DOCUMENT.write_text(_BETWEEN.sub(lambda _: shown, text), encoding="utf-8")


def table(folders: Mapping[str, Times]) -> str:
    """In Markdown: the tests of units and those of the project as one row each, others by their folder."""
    rows: dict[str, Times] = defaultdict(Times)
    for folder, times in folders.items():
        parts = folder.split("/")
        for name in ("/".join(parts[: 2 if parts[1:2] in (["unit"], ["project"]) else 3]), "all"):
            rows[name].tests += times.tests
            rows[name].seconds += times.seconds
            rows[name].cpu += times.cpu
    total = rows.pop("all", Times())
    head = ["| folder | tests | seconds | processor seconds |", "|---|---:|---:|---:|"]
    lines = [
        f"| {name} | {row.tests} | {row.seconds:.0f} | {row.cpu:.0f} |"
        for name, row in [*sorted(rows.items()), ("all", total)]
    ]
    return "\n".join([*head, *lines, ""])


def cpu_seconds() -> float:
    """Of this process and all it has started, those that have ended too."""
    return sum(_with_ended_children(process) for process in [psutil.Process(), *psutil.Process().children(True)])


def _with_ended_children(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):  # it ends at this moment, or is another user's
        times = process.cpu_times()
        return sum(getattr(times, name, 0.0) for name in ("user", "system", "children_user", "children_system"))
    return 0.0


def _reason(item: pytest.Item) -> str | None:
    return getattr(getattr(item, "function", None), "__doc__", None)
