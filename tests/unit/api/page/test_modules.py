"""The page's own modules and messages, read as text."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from api.page.static_files import FOLDER, sent_file, static_file

# Pythons that are built with zlib-ng compress faster and a little less.
WORSE = 1.05 if "ng" in zlib.ZLIB_RUNTIME_VERSION else 1.0
_MESSAGE = re.compile(r'^ {2}"([\w.]+)":', re.MULTILINE)


def sent(*names: str) -> int:
    """Bytes of these files as they are sent."""
    files = [static_file(name) if name.endswith(".html") else sent_file(name) for name in names]
    return sum(len(file.gzipped or file.content) for file in files if file)


def test_little_is_sent_for_the_list_and_a_transcript() -> None:
    """In one language, to a browser that opens all of the page, and then has all of its dialogs and the help too."""
    first = sent("index.html", "style.css", "app.js", "messages.en.js")
    assert first < 25_000
    assert first + sent("transcript/view.js") <= 40_000 * WORSE


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "transcript"], ids=lambda folder: folder.name)
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
        for key in re.findall(r'\b(?:t|button)\("([\w.]+)"', path.read_text(encoding="utf-8")):
            assert key in known, f"{path.name}: {key}"
