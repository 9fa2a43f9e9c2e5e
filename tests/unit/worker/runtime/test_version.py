"""One version, in one place."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from worker.runtime.version import VERSION

ROOT = Path(__file__).parents[4]


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION), "Semantic Versioning"


def test_the_version_is_written_nowhere_else() -> None:
    written = re.compile(rf"""["']{re.escape(VERSION)}["']""")
    for floor in ("api", "worker", "engines", "scripts", "whisper_native"):
        assert not [path for path in (ROOT / floor).rglob("*.py") if written.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("program", [["scripts/whisper-native.py"], ["-m", "whisper_native"]])
def test_the_launcher_and_the_command_say_it(program: list[str]) -> None:
    command = [sys.executable, *program, "--version"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == f"whisper-native {VERSION}\n"
