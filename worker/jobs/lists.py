"""Lists of an owner's jobs: those that are asked for, in their order; several of a store that is far away at once."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from worker.jobs.asked import Asked
from worker.queue.job_queue import JobQueue
from worker.store.index.job_row import ABOVE_ALL
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.search.words import wanted

READERS = 16  # jobs of all lists that are read at once from a store that is far away


class Lists:
    """shown: the job as it is shown in a list, by its id and owner, None if it is left out; raises JobNotFound."""

    def __init__(self, store: JobStore, queue: JobQueue, shown: Callable[[str, str], dict[str, Any] | None]) -> None:
        self._store = store
        self._queue = queue
        self._shown = shown
        self._readers = ThreadPoolExecutor(READERS, "list")  # which begin when they are needed

    def views(self, owner: str, limit: int, asked: Asked) -> tuple[list[dict[str, Any]], bool]:
        """The first jobs, and whether there are more."""
        shown = self._views_of(owner, asked, limit + 1)
        found = (view for view in shown if not asked.statuses or view["status"] in asked.statuses)
        page = list(itertools.islice(found, limit + 1))
        return page[:limit], len(page) > limit

    def _views_of(self, owner: str, asked: Asked, most: int) -> Iterator[dict[str, Any]]:
        """most: how many are wanted, so that of a store that is far away as many are asked for at once."""
        found = self._found(owner, asked)
        ids = self._begun(found) if asked.statuses == {"started"} else found

        def view(job_id: str) -> dict[str, Any] | None:
            with contextlib.suppress(JobNotFound):  # another's, or deleted meanwhile
                if not asked.are_ended or self._has_ended(job_id):  # which are served while Redis is away
                    return self._shown(job_id, owner)
            return None

        if not self._store.is_shared:
            yield from filter(None, map(view, ids))
            return
        while piece := list(itertools.islice(ids, most)):
            yield from filter(None, self._readers.map(view, piece))

    def _found(self, owner: str, asked: Asked) -> Iterator[str]:
        if asked.oldest_first:
            newest_first = self._found(owner, replace(asked, after=None, oldest_first=False))
            return reversed([job_id for job_id in newest_first if job_id > (asked.after or "")])
        if not wanted(asked.query):
            return self._store.catalog.of_owner(owner, asked.after, *asked.statuses)

        def others(before: str) -> Iterator[str]:
            return self._store.catalog.of_owner(owner, before, *asked.statuses)

        return self._store.search.found(owner, asked.query, asked.after or ABOVE_ALL, others)

    def _begun(self, job_ids: Iterator[str]) -> Iterator[str]:
        """Without those that wait, of which there may be thousands for one that runs."""
        waiting: set[str] | None = None
        for job_id in job_ids:
            if waiting is None:
                waiting = self._queue.all_waiting_ids()
            if job_id not in waiting:
                yield job_id

    def _has_ended(self, job_id: str) -> bool:
        try:
            return self._store.outcome(job_id) is not None
        except (OSError, RecordBroken):
            return False  # and it cannot be shown
