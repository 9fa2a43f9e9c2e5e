"""The version, which stands in pyproject.toml alone."""

from __future__ import annotations

import re
from pathlib import Path

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

# Without tomllib: the launcher reads this under any Python from 3.8 on, before it has found a suitable one.
VERSION = re.findall(r'^version = "(.+)"$', _PYPROJECT.read_text(encoding="utf-8"), flags=re.MULTILINE)[0]
