#!/usr/bin/env python3
"""Writes what follows from the code into the documents: settings, the API's tables, the rooms (`make docs`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.documents import api_tables, configuration, rooms

ROOT = Path(__file__).parents[1]

# Document -> what it should say, given what it says.
DOCUMENTS: dict[str, Callable[[str], str]] = {
    "docs/API.md": api_tables.filled,
    "docs/ARCHITECTURE.md": rooms.filled,
    "docs/CONFIGURATION.md": lambda _: configuration.configuration(),
    ".env.example": lambda _: configuration.environment(),
}


def main() -> None:
    for name, written in DOCUMENTS.items():
        path = ROOT / name
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
