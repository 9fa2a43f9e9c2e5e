"""The wheel as users get it: built, installed, and called from an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATIENCE = 300.0  # seconds
NOTHING: Mapping[str, str] = {}


def build(directory: Path) -> Path:
    """As pip builds it, by hatchling."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    [built] = directory.glob("*.whl")
    return built


def empty_environment(directory: Path) -> Path:
    """Its Python."""
    venv.create(directory, with_pip=True)
    return directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, *arguments: str) -> None:
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
        timeout=600,
    )


def environment(home: Path, more: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """home: a folder of the test's own, with all that the program keeps."""
    kept = {name: value for name, value in os.environ.items() if "WHISPER_" not in name and name != "PYTHONPATH"}
    own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
    return {**kept, **own, **more}


def run(python: Path, home: Path, *arguments: str, code: int = 0, more: Mapping[str, str] = NOTHING) -> str:
    """What `python -m whisper_native` prints when it ends with this exit code."""
    ended = subprocess.run(
        [str(python), "-m", "whisper_native", *arguments],
        cwd=home,
        env=environment(home, more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr
