"""The page's own modules and messages, read as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.page.static_files import FOLDER, static_file

_IMPORT = re.compile(r'^import [^;]*?from "(\.[^"]+)";', re.MULTILINE)
_MESSAGE = re.compile(r'^ {2}"([\w.]+)":', re.MULTILINE)


def compressed(path: Path) -> int:
    """Bytes of a file as it is sent."""
    file = static_file(str(path.resolve().relative_to(FOLDER.resolve())))
    assert file is not None
    assert file.gzipped is not None
    return len(file.gzipped)


def imported(module: Path, found: set[Path]) -> set[Path]:
    """The module and all that it imports, without what comes later by `import()`."""
    if module not in found:
        found.add(module)
        for name in _IMPORT.findall(module.read_text(encoding="utf-8")):
            imported((module.parent / name).resolve(), found)
    return found


def test_the_browser_is_told_at_once_which_modules_it_needs() -> None:
    start = (FOLDER / "app.js").resolve()
    needed = {f"/page/{path.relative_to(FOLDER.resolve())}" for path in imported(start, set()) - {start}}
    preloaded = re.findall(r'rel="modulepreload" href="([^"]+)"', (FOLDER / "index.html").read_text(encoding="utf-8"))
    assert sorted(preloaded) == sorted(needed)


def test_little_is_loaded_until_the_list_and_a_transcript_are_there() -> None:
    """As a browser loads it, file by file, in one language; dialogs and the help come when they are opened."""
    beside = ("index.html", "style.css", "icon.svg", "messages.en.js")
    folder = FOLDER.resolve()
    first = imported(folder / "app.js", set()) | {folder / name for name in beside}
    assert sum(map(compressed, first)) < 27_000
    names = ("view.js", "reader.js", "style.css", "messages.en.js")
    modules = [folder / "transcript" / name for name in names]
    transcript = {*modules, *imported(modules[0], set()), *imported(modules[1], set())} - first
    assert sum(map(compressed, transcript)) < 31_500


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "transcript", FOLDER / "help"], ids=lambda folder: folder.name)
def test_every_message_is_there_in_both_languages(folder: Path) -> None:
    english, german = (
        _MESSAGE.findall((folder / f"messages.{language}.js").read_text(encoding="utf-8")) for language in ("en", "de")
    )
    assert english
    assert set(english) - set(german) == set()
    # What the server says is English as it comes, and has a translation under `why.`.
    assert {key for key in set(german) - set(english) if not key.startswith("why.")} == set()


def test_every_message_that_is_asked_for_is_there() -> None:
    known = {
        key for path in FOLDER.rglob("messages.en.js") for key in _MESSAGE.findall(path.read_text(encoding="utf-8"))
    }
    for path in FOLDER.rglob("*.js"):
        for key in re.findall(r'\bt\("([\w.]+)"', path.read_text(encoding="utf-8")):
            assert key in known, f"{path.name}: {key}"
