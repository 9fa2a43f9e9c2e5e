"""When ended jobs are removed, with all that is kept of them."""

from __future__ import annotations

import math

from worker.runtime.timing import Timing
from worker.store.job_store import JobStore
from worker.store.records import JobRequest, Kind, Outcome


class Expiry:
    """keep: for how many seconds a job stays after its end. One whose webhook is still owed stays until that is
    settled."""

    def __init__(self, store: JobStore, keep: float = math.inf, timing: Timing = Timing()) -> None:
        self._store = store
        self._keep = keep
        self._timing = timing

    def at(self, request: JobRequest, outcome: Outcome) -> float:
        """Unix seconds; infinite if it stays."""
        answered_at = None if request.kind == "job" else self._store.answered_at(request.id)
        return self.after(request.kind, outcome.ended_at, answered_at)

    def after(self, kind: Kind, ended_at: float, answered_at: float | None) -> float:
        """As `at`, of what decides it. answered_at: unix seconds when a waiting client had its answer."""
        if kind == "job":
            return ended_at + self._keep
        return ended_at + self._timing.unanswered if answered_at is None else answered_at + self._timing.answered

    def shown(self, request: JobRequest, outcome: Outcome) -> int | None:
        """As clients see it."""
        at = self.at(request, outcome)
        return int(at) if math.isfinite(at) else None
