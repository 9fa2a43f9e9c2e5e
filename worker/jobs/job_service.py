"""Jobs submitted, looked up, canceled and removed. Every call blocks: run it in a thread."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from redis.exceptions import RedisError

from worker.jobs.asked import Asked
from worker.jobs.backlog import Backlog
from worker.jobs.expiry import Expiry
from worker.jobs.job_view import Live, job_view
from worker.jobs.lists import Lists
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.store.edits.edits import Edits
from worker.store.idempotency import Claim, Claimed
from worker.store.incoming import Upload
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest, Outcome, upload_began_at
from worker.telemetry.instruments import count_end

KNOWN_OWNERS = 10_000  # jobs whose owner is remembered: it never changes
LOOKED_AT = 2000  # waiting jobs of a queue whose owner is asked for

log = logging.getLogger(__name__)


class CannotRequeue(Exception):
    """The job cannot run again: says why. code: one of the API's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class JobService:
    """The store's word is final; Redis is told, and if it is away it finds out later."""

    def __init__(self, store: JobStore, queue: JobQueue, events: Events, backlog: Backlog, expiry: Expiry) -> None:
        self.clock = queue.clock
        self._store = store
        self._expiry = expiry
        self._queue = queue
        self._events = events
        self._backlog = backlog
        self._lists = Lists(store, queue, self.shown)
        self._owner = functools.lru_cache(KNOWN_OWNERS)(lambda job_id: store.request(job_id).owner)

    def submit(self, upload: Upload, request: JobRequest) -> None:
        """Makes the upload a job. If it cannot be queued nothing of it is left, and the error is raised."""
        self._backlog.admit(request)
        try:
            upload.commit(request)
            self._enqueue(request)
        except BaseException:
            self._backlog.withdraw(request)
            raise

    def submit_claimed(self, upload: Upload, request: JobRequest, claim: Claim, fingerprint: str) -> None:
        """As `submit`, and the claim stands for the job from the moment it is there."""
        claim.write(Claimed(request.id, fingerprint))  # before the job: it counts only once that is there
        try:
            self.submit(upload, request)
        except BaseException:
            with suppress(OSError):  # a store that went away may have the job: the client's next try is to get that
                if not self._store.has(request.id):
                    claim.clear()
            raise

    def _enqueue(self, request: JobRequest) -> None:
        try:
            self._events.state(request.id, "queued")
            self._backlog.enqueue(request)
        except BaseException:
            self._store.delete(request.id)
            raise

    def request(self, job_id: str, owner: str) -> JobRequest:
        """The owner's job; raises JobNotFound for another's too."""
        request = self._store.request(job_id)
        if request.owner != owner:
            raise JobNotFound(job_id)
        return request

    def owner(self, job_id: str) -> str:
        """Whose job it is; raises JobNotFound or RecordBroken."""
        return self._owner(job_id)

    def ended_view(self, request: JobRequest) -> dict[str, Any] | None:
        """The job object of a job that has ended, which the store has."""
        outcome = self._store.outcome(request.id)
        return self._shown(request, outcome, None) if outcome else None

    def view(self, request: JobRequest) -> dict[str, Any]:
        """The job object; raises RedisError only for a job that has not ended."""
        outcome = self._store.outcome(request.id)
        return self._shown(request, outcome, None if outcome else self._live(request))

    def _shown(self, request: JobRequest, outcome: Outcome | None, live: Live | None) -> dict[str, Any]:
        expires_at = self._expiry.shown(request, outcome) if outcome else None
        edits = self._edits(request)
        names = self._store.transcripts.names(request.id) if edits.moved else {}
        return job_view(self._measured(request), outcome, live, edits, expires_at, names)

    def tell_changed(self, job_id: str) -> None:
        """Lets those who follow their jobs know that one has another title, other names or another text."""
        try:
            self._events.changed(job_id)
        except RedisError as error:
            log.warning("%s was changed, but Redis could not be told: %s", job_id, error)

    def _edits(self, request: JobRequest) -> Edits:
        try:
            return self._store.transcripts.edits(request.id)
        except RecordBroken as error:  # which says so where its transcript is asked for
            log.warning("%s", error)
            return Edits()

    def _measured(self, request: JobRequest) -> JobRequest:
        """With the size of a recording that was fetched, as long as it is there."""
        if not request.url or request.size:
            return request
        size = self._store.source_size(request.id)
        return request if size is None else replace(request, size=size)

    def _live(self, request: JobRequest) -> Live:
        retry = self._store.retry(request.id)
        is_aside = retry is not None and self._queue.is_put_aside(request.id)
        status, position = self._events.status(request.id), self._queue.position(request)
        return Live(status, position, retry, is_aside, self.clock.now())

    def places(self, owner: str, most: int) -> dict[str, int]:
        """The positions of those of the owner's waiting jobs that come first, so many at most. Far
        behind in a queue they are left out."""
        places: dict[str, int] = {}
        for line in self._queue.lines():
            ahead = enumerate(line[:LOOKED_AT])
            mine = (each for each in ahead if self._is_of(each[1], owner))
            places |= {job_id: place for place, job_id in itertools.islice(mine, most - len(places))}
        return places

    def _is_of(self, job_id: str, owner: str) -> bool:
        try:
            return self.owner(job_id) == owner
        except (JobNotFound, RecordBroken, OSError):
            return False

    def views(self, owner: str, limit: int, asked: Asked) -> tuple[list[dict[str, Any]], bool]:
        """The owner's first jobs of those that are asked for, and whether there are more."""
        return self._lists.views(owner, limit, asked)

    def cancel(self, job_id: str) -> bool:
        """Ends the job, waiting or running; returns False if it had ended before."""
        request = self._store.request(job_id)
        ended_at = self.clock.now()
        if not self._store.finish(job_id, Outcome("canceled", ended_at=ended_at)):
            return False
        count_end(ended_at - upload_began_at(job_id), "canceled")
        try:
            self._call_off(request)
        except RedisError as error:
            log.warning("%s is canceled, but Redis could not be told: %s", job_id, error)
        return True

    def answered(self, request: JobRequest) -> None:
        """Ends the duty of a waiting client's recording; the record follows some minutes later."""
        if request.kind == "sync":
            self._store.drop_source(request.id)
            self._store.mark_answered(request.id)

    def give_up(self, job_id: str) -> None:
        """Cancels a job whose waiting client has left; one that has ended keeps its answer for the next try."""
        with contextlib.suppress(JobNotFound):  # deleted meanwhile
            if self.cancel(job_id):
                self.answered(self._store.request(job_id))

    def delete(self, request: JobRequest) -> None:
        """Removes every trace of the job, and ends it if it has not ended.

        The store forgets it first: nobody who follows the job sees it canceled and takes that for its end. Except on
        Windows, where the slot has to let go of the files before they can be moved.
        """
        if os.name == "nt":
            self.cancel(request.id)
        self._store.delete(request.id)
        try:
            self._call_off(request)
            self._queue.forget(request.id)
            self._events.deleted(request.id, request.owner)
        except RedisError as error:
            log.warning("%s is deleted, but Redis could not be told: %s", request.id, error)

    def delete_any(self, job_id: str) -> None:
        """As `delete`, whoever's job it is. What only RQ knows by this id is forgotten there."""
        try:
            self.delete(self._store.request(job_id))
        except JobNotFound:
            self._queue.forget(job_id)
            self._events.forget(job_id)

    def requeue(
        self, job_id: str, begin: Callable[[JobRequest, Outcome], None] = lambda request, outcome: None
    ) -> JobRequest:
        """Runs a failed or canceled job again, from its recording. Raises CannotRequeue, QueueFull or JobNotFound.
        begin: called before, with the end that is taken back; it may turn out that it is not."""
        request = self._store.request(job_id)
        outcome = self._check_requeue(request)
        self._backlog.admit(request)
        try:
            begin(request, outcome)
            self._store.reopen(job_id, outcome.ended_at)  # from here on maintenance would queue it
        except BaseException as error:
            self._backlog.withdraw(request)
            if isinstance(error, JobNotFound) and self._store.has(job_id):  # another had it run again this moment
                self._check_requeue(request)
                raise CannotRequeue("job_not_finished", "The job has ended meanwhile. Try again.") from None
            raise
        self._events.forget(job_id)
        self._events.state(job_id, "queued")
        self._backlog.enqueue(request)
        return request

    def _check_requeue(self, request: JobRequest) -> Outcome:
        job_id = request.id
        outcome = self._store.outcome(job_id)
        if outcome is None:
            raise CannotRequeue("job_not_finished", "The job has not ended: there is nothing to requeue.")
        if outcome.state == "finished":
            raise CannotRequeue("job_already_ended", "The job has finished. Only failed and canceled jobs run again.")
        if self._store.source_size(job_id) is None and not request.url:
            raise CannotRequeue("audio_deleted", "The recording is deleted by now: send it again as a new job.")
        if job_id in self._queue.live_ids():  # canceled a moment ago
            raise CannotRequeue("job_not_finished", "A worker is about to let go of the job. Try again in a moment.")
        return outcome

    def _call_off(self, request: JobRequest) -> None:
        """Takes the job out of its queue, and tells all who wait for it or run it."""
        self._queue.withdraw(request)
        self._events.state(request.id, "canceled")

    def shown(self, job_id: str, owner: str) -> dict[str, Any] | None:
        """The owner's job among others, which it must not hide: None for one that cannot be read or shown. Raises
        JobNotFound for another's too."""
        try:
            request = self.request(job_id, owner)
            view = self.view(request)
            json.dumps(view, ensure_ascii=False, allow_nan=False).encode()  # as the whole list will be
            return view
        except (OSError, RecordBroken, ValueError, TypeError, RecursionError) as error:
            log.warning("The job %s is left out of a list: %s", job_id, error)
            return None
