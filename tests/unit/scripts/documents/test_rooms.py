"""The picture of rooms says what the imports say, and no more than is needed."""

from __future__ import annotations

from pathlib import Path

from scripts.documents.rooms import Arrows, picture, reduced, rooms


def test_what_follows_from_other_arrows_is_not_drawn() -> None:
    arrows: Arrows = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert reduced(arrows) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}


def test_a_new_import_is_a_new_arrow(tmp_path: Path) -> None:
    for name, line in (("worker/queue/a.py", "import worker.store.b"), ("worker/store/b.py", "")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(line)
    assert "  worker_queue --> worker_store" in picture(reduced(rooms(tmp_path))).splitlines()
