"""What downloads in these tests do more often than real ones."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.outbound.download.BEAT", 0.02)
