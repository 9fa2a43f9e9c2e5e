"""Asks a running service how it is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on this machine
TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Readiness:
    """answers: something that speaks like the service is there. checks: name -> (all right, what it says)."""

    answers: bool
    ready: bool = False
    checks: dict[str, tuple[bool, str]] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it is not ready yet."""
        if not self.answers:
            return "starting"
        return next((detail for is_ok, detail in self.checks.values() if not is_ok), "")


def ask(url: str, timeout: float = TIMEOUT) -> Readiness:
    """url: as in `http://localhost:9001`."""
    try:
        body = _get(f"{url}/health/ready", timeout)
        checks = {name: (bool(each["ok"]), str(each["detail"])) for name, each in body["checks"].items()}
        return Readiness(answers=True, ready=body["status"] == "ready", checks=checks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Readiness(answers=False)


def _get(url: str, timeout: float) -> Any:
    try:
        with _DIRECT.open(url, timeout=timeout) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:  # 503 says why
        with error:
            return json.loads(error.read())
