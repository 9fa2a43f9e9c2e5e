"""The version, which stands in pyproject.toml alone: of the checkout, or of the copy in the wheel."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent
SERVICE = PACKAGE / "_service"  # where a wheel has the service


def service_root() -> Path:
    """The directory of the service's packages: of the wheel, or the checkout."""
    return SERVICE if SERVICE.is_dir() else PACKAGE.parent


def version() -> str:
    """As in `1.2.3`."""
    text = (service_root() / "pyproject.toml").read_text(encoding="utf-8")
    found: list[str] = re.findall(r'^version = "(.+)"$', text, flags=re.MULTILINE)
    return found[0]
