"""A drain has its bound, which the first who asks sets."""

from __future__ import annotations

from pathlib import Path

from worker.drain import DrainRequest


def test_it_is_overdue_once_its_patience_has_passed_since_it_was_seen(tmp_path: Path) -> None:
    now = [100.0]
    request = DrainRequest(tmp_path / "drain", lambda: now[0])
    assert not request.is_overdue()
    DrainRequest(tmp_path / "drain").ask(30)
    DrainRequest(tmp_path / "drain").ask(9000)
    assert request.is_there()
    assert not request.is_overdue()
    now[0] += 29
    assert not request.is_overdue()
    now[0] += 1
    assert request.is_overdue()
    request.withdraw()
    request.withdraw()
    assert not request.is_overdue()


def test_one_that_cannot_be_read_waits_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "drain").write_text("soon")
    assert DrainRequest(tmp_path / "drain").is_overdue()
