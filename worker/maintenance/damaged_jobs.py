"""Jobs whose record is damaged: set aside once they have stayed so, for whoever looks into it."""

from __future__ import annotations

import logging

from worker.runtime.timing import Timing
from worker.store.job_store import JobStore, RecordBroken

log = logging.getLogger(__name__)


class DamagedJobs:
    """Which jobs could not be read, and since when. A record of a newer version is never touched: whoever shares the
    store with such a version, or went back from one, must lose nothing."""

    def __init__(self, store: JobStore, timing: Timing) -> None:
        self._store = store
        self._timing = timing
        self._since: dict[str, float] = {}  # monotonic seconds, by job

    def found(self, job_id: str, error: RecordBroken, now: float) -> None:
        """At one look. now: monotonic seconds."""
        if job_id not in self._since:
            log.error("%s", error)
        since = self._since.setdefault(job_id, now)
        if error.newer is None and now - since >= self._timing.damaged:
            self._set_aside(job_id)

    def forget_others(self, job_ids: set[str]) -> None:
        """Those that were not found at the last look are read again, or are gone."""
        self._since = {job_id: since for job_id, since in self._since.items() if job_id in job_ids}

    def _set_aside(self, job_id: str) -> None:
        try:
            self._store.set_aside(job_id)
        except OSError as error:  # another process was first, or a file of it is open on Windows
            log.warning("The damaged job %s was not set aside: %s", job_id, error)
        else:
            log.error("The damaged job %s was set aside in broken/", job_id)
