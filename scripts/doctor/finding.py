"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

State = Literal["OK", "warning", "FAILURE"]


@dataclass(frozen=True, slots=True)
class Finding:
    """warning: the service runs, but not as it could or should. FAILURE: it does not. detail: what is there, or what
    is wrong and what to do."""

    state: State
    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.state:8} {self.name:10} {self.detail}"


ok = partial(Finding, "OK")
warning = partial(Finding, "warning")
failure = partial(Finding, "FAILURE")
