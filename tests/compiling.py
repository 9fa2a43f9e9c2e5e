"""Several test processes compile between them what all of them import: each its share, and finds the rest compiled.

pytest rewrites the assertions of each test file before it imports it. In a fresh checkout that takes longer than all
else until the first test begins, and each process would do it for all files.
"""

from __future__ import annotations

import compileall
import importlib
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("api", "engines", "scripts", "tests", "whisper_native", "worker")


def compile_share(session: pytest.Session) -> None:
    """Of this process, before it collects; does nothing if it is the only one, or all is compiled."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None or sys.dont_write_bytecode:
        return
    number, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
    tests = _collected(session)
    for path in [path for path in _modules() if not path.name.startswith("test_")][number::count]:
        compileall.compile_file(path, quiet=2)
    for path in tests[number::count]:
        with suppress(Exception, pytest.skip.Exception):  # it is collected soon, and says then what is wrong
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def _modules() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def _collected(session: pytest.Session) -> list[Path]:
    """The test files that this run is asked for."""
    named = [(session.config.invocation_params.dir / name.partition("::")[0]).resolve() for name in session.config.args]
    return [path for path in _modules() if path.name.startswith("test_") and _is_in(path, named)]


def _is_in(path: Path, named: list[Path]) -> bool:
    return any(path == each or each in path.parents for each in named)
