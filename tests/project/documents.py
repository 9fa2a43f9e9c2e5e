"""The documents of the project, and the parts of them that tests look at."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("samples/*.md")]
)


def name(path: Path) -> str:
    """As a test's id shows it."""
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks in this language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", document, flags=re.MULTILINE | re.DOTALL)


def prose(document: str) -> str:
    """What stands outside of fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", document, flags=re.MULTILINE | re.DOTALL)


def commands(document: str) -> Iterator[str]:
    """The shell commands: every line of a bash block, without its comment."""
    for block in blocks(document, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            if command := re.sub(r"(^|\s+)#.*", "", line).strip():
                yield command


def spans(document: str) -> list[str]:
    """What stands in backticks in running text."""
    return [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose(document))]


def anchors(document: str) -> set[str]:
    """The anchors GitHub gives the headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(document), flags=re.MULTILINE):
        anchor = _anchor(heading)
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def _anchor(heading: str) -> str:
    label = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    kept = (letter for letter in label if letter in "-_ " or unicodedata.category(letter)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


def links(document: str) -> list[str]:
    """The targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(document))
