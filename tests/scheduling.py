"""Which worker of `pytest -n` runs which file: each of the shared services of tests/services.py is started by as few
workers as can be, for a start costs seconds and an idle service goes on costing."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parent.parent
WITH_BROWSER = "tests/acceptance/page/"  # these files count as one: they share the browser, and the services it shows
SERVICES = {"service", "quick", "keyed", "slow"}


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """By file. A worker goes on with files whose services it has started; the others take those that need none, and
    in the end whatever is left."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._started: dict[Any, set[str]] = {}

    def _split_scope(self, nodeid: str) -> str:
        return WITH_BROWSER if nodeid.startswith(WITH_BROWSER) else str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: Any) -> None:
        started = self._started.setdefault(node, set())
        elsewhere = set().union(*self._started.values()) - started

        def costs(scope: str) -> tuple[int, bool]:
            return len(services_of(scope) & elsewhere), not services_of(scope)

        scope = min(self.workqueue, key=costs)  # the first of the best
        self.workqueue.move_to_end(scope, last=False)
        started |= services_of(scope)
        super()._assign_work_unit(node)


@cache
def services_of(scope: str) -> set[str]:
    """The shared services that the tests of a file, or of a folder's files, ask for."""
    path = ROOT / scope
    files = path.glob("*.py") if path.is_dir() else [path]
    return set().union(*(_arguments(file.read_text(encoding="utf-8")) & SERVICES for file in files))


def _arguments(source: str) -> set[str]:
    """What tests and fixtures are given that is not made in the same file."""
    if "LiveService" not in source:
        return set()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    given = {argument.arg for function in functions if _is_given(function) for argument in function.args.args}
    return given - {function.name for function in functions}


def _is_given(function: ast.FunctionDef) -> bool:
    return function.name.startswith("test_") or any("fixture" in ast.unparse(node) for node in function.decorator_list)
