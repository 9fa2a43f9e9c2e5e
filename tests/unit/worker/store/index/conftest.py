"""A store with an index that the test keeps by hand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.factories import make_request
from worker.store.index.keeper import IndexKeeper
from worker.store.job_store import LocalStore
from worker.store.records import JobRequest, Outcome, State


class Kept:
    """`keep` does what the keeper's thread would do next."""

    def __init__(self, root: Path) -> None:
        self.store = LocalStore(root)
        self.directory = root / "index"
        self.directory.mkdir()
        self.keeper = IndexKeeper(root / "jobs", self.store.index)
        self.now = 0.0

    def keep(self, later: float = 0.0) -> None:
        self.now += later
        self.keeper.keep(self.now)

    def add(self, state: State = "queued", **changes: Any) -> JobRequest:
        upload = self.store.receive()
        request = make_request(upload.id, **changes)
        upload.commit(request)
        if state in ("finished", "failed", "canceled"):
            self.store.finish(request.id, Outcome(state))
        return request

    def path(self, request: JobRequest) -> Path:
        return self.store.root / "jobs" / request.id

    def listed(self, status: State | None = None, owner: str = "local", after: str | None = None) -> list[str]:
        return list(self.store.catalog.of_owner(owner, after, *([status] if status else [])))

    def by_the_index(self, status: State | None = None) -> list[str]:
        """As `listed`, and no directory is read for it."""
        page = self.store.index.of_owner("local", {"open", "ending", status or "finished"}, "job_~")
        assert page.lowest == "", "the index is not up to date"
        return [seen.id for seen in page.jobs]

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*.sqlite"))


def settle(path: Path, age: float = 60.0) -> None:
    """As if nothing had changed in it for so many seconds."""
    os.utime(path, (time.time() - age,) * 2)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    kept = Kept(tmp_path)
    kept.keep()
    return kept
