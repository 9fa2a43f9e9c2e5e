"""Whatever takes a `Timing` is given the service's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def calls_without_timing(root: Path) -> Iterator[str]:
    """Calls of our own classes and functions that take a `timing` and are given none, outside of tests."""
    trees = {
        path: ast.parse(path.read_text())
        for floor in ("worker", "api", "scripts")
        for path in (root / floor).rglob("*.py")
    }
    takers = {name for tree in trees.values() for name in _takers(tree)}
    assert {"Maintenance", "Waiters", "Supervisor", "create_app", "announce"} <= takers
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in takers:
                given = [ast.unparse(each) for each in (*node.args, *(word.value for word in node.keywords))]
                if not any("timing" in text.lower() for text in given if "Timing()" not in text):
                    yield f"{path.relative_to(root)}:{node.lineno}: {ast.unparse(node)}"


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _takers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
            if any(_takes(each) for each in makers):
                yield node.name
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _takes(node):
            yield node.name


def _takes(function: ast.FunctionDef) -> bool:
    arguments = function.args
    return any(each.arg == "timing" for each in (*arguments.args, *arguments.kwonlyargs))


def test_the_service_passes_its_timing_to_whatever_takes_one() -> None:
    """A default is for tests: an object that was forgotten would keep its own time in a scaled service."""
    unaffected = ("connect(", "Leases(client, QUEUES)")  # Redis keeps its own time; hands on jobs and renews nothing
    forgotten = [row for row in calls_without_timing(ROOT) if not any(each in row for each in unaffected)]
    assert forgotten == []
