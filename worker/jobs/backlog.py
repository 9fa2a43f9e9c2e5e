"""How much waits in the queues, and whether there is room for more. Every call blocks: run it in a thread."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from worker.jobs.shares import has_share
from worker.jobs.turns import Turns
from worker.jobs.waiting import WaitingJob, WaitingJobs
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest, Priority

READERS = 16  # requests at once to a store that is far away


class QueueFull(Exception):
    """No further job fits now; says why, and what to do."""


class Backlog:
    """The limits of each queue, on jobs that wait and on their hours of audio. is_shared: between owners, of whom none
    may take all of either, and whose jobs take turns."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        *,
        max_jobs: int,
        max_hours: float,
        timing: Timing = Timing(),
        is_shared: bool = False,
    ) -> None:
        self._turns = Turns(queue, self._owners) if is_shared else None
        self._fresh = timing.backlog
        self._store = store
        self._queue = queue
        self._most_jobs = max_jobs
        self._most_seconds = max_hours * 3600
        self._waiting: dict[Priority, WaitingJobs] = defaultdict(WaitingJobs)
        self._lock = threading.Lock()

    def check(self, priority: Priority, owner: str, coming: int, theirs: int) -> None:
        """Raises QueueFull if no further job of the owner fits. coming: uploads that are under way, this one included;
        theirs: those of the owner."""
        waiting = self._queue.backlog_length(priority)
        if waiting + coming > self._most_jobs:
            raise _full(f"{waiting} jobs wait already, and {self._most_jobs} may (WHISPER_MAX_QUEUED_JOBS)")
        if waiting or self._turns:
            self._look(priority)
        with self._lock:
            if waiting:
                self._check_seconds(priority, owner, 0.0)
            if self._turns:
                self._check_share(priority, owner, self._most_jobs - waiting - coming + 1, theirs - 1)

    def admit(self, request: JobRequest) -> None:
        """Raises QueueFull if the job does not fit. One recording always does if nothing waits, however long."""
        self._look(request.priority)
        with self._lock:
            self._check_seconds(request.priority, request.owner, request.declared_seconds)
            self._waiting[request.priority].add(request.id, WaitingJob(request.owner, request.declared_seconds))

    def enqueue(self, request: JobRequest) -> None:
        """Queues the job; where its turn is, if owners take turns."""
        if self._turns:
            self._turns.enqueue(request)
        else:
            self._queue.enqueue(request)

    def audio_seconds(self, priority: Priority, ids: Collection[str]) -> float:
        """Of those of the priority's waiting jobs that are among these."""
        self._look(priority)
        with self._lock:
            return sum(job.seconds for job_id, job in self._waiting[priority].by_id.items() if job_id in ids)

    def withdraw(self, request: JobRequest) -> None:
        """The job was admitted and did not come to be."""
        with self._lock:
            self._waiting[request.priority].remove(request.id)

    def _check_share(self, priority: Priority, owner: str, free: int, coming: int) -> None:
        held = coming + self._waiting[priority].count_of[owner]
        if held and not has_share(free, held):
            raise _share_taken(f"{held} jobs of yours wait, and others may want what is left (WHISPER_MAX_QUEUED_JOBS)")

    def _check_seconds(self, priority: Priority, owner: str, more: float) -> None:
        jobs = self._waiting[priority]
        waiting = jobs.seconds
        is_full = waiting + more > self._most_seconds if more else waiting >= self._most_seconds
        if waiting and is_full:
            hours = f"{waiting / 3600:.1f} hours of audio wait already"
            raise _full(f"{hours}, and {self._most_seconds / 3600:g} may (WHISPER_MAX_QUEUED_HOURS)")
        held = jobs.seconds_of(owner) if self._turns else 0.0
        if held and not has_share(self._most_seconds - waiting, held, more or 1.0):
            hours = f"{held / 3600:.1f} hours of your audio wait"
            raise _share_taken(f"{hours}, and others may want what is left (WHISPER_MAX_QUEUED_HOURS)")

    def _look(self, priority: Priority) -> None:
        """At what waits, if the last look was a while ago. One thread does; the others go on with what is known, if
        there was a look before."""
        with self._lock:
            waiting = self._waiting[priority]
        was_looked_at = waiting.looked_at >= 0
        if waiting.is_of_the_last(self._fresh) or not waiting.looking.acquire(blocking=not was_looked_at):
            return
        try:
            if not waiting.is_of_the_last(self._fresh):
                self._look_now(priority, waiting)
        finally:
            waiting.looking.release()

    def _look_now(self, priority: Priority, waiting: WaitingJobs) -> None:
        with self._lock:
            began = waiting.begin_look()
        jobs = self._jobs(priority, self._queue.waiting_ids(priority))  # without the lock: it may take long
        with self._lock:
            waiting.end_look(jobs, began)

    def _owners(self, priority: Priority, ids: Sequence[str]) -> dict[str, str]:
        return {job_id: job.owner for job_id, job in self._jobs(priority, ids).items()}

    def _jobs(self, priority: Priority, ids: Sequence[str]) -> dict[str, WaitingJob]:
        """What is not known is read."""
        with self._lock:
            known = self._waiting[priority].by_id
            found = {job_id: known[job_id] for job_id in ids if job_id in known}
        return {**found, **self._read_all([job_id for job_id in ids if job_id not in found])}

    def _read_all(self, ids: Sequence[str]) -> Mapping[str, WaitingJob]:
        if len(ids) < 2 or not self._store.is_shared:
            return {job_id: self._read(job_id) for job_id in ids}
        with ThreadPoolExecutor(READERS, "backlog") as pool:
            return dict(zip(ids, pool.map(self._read, ids), strict=True))

    def _read(self, job_id: str) -> WaitingJob:
        try:
            request = self._store.request(job_id)
        except (JobNotFound, RecordBroken):
            return WaitingJob()
        return WaitingJob(request.owner, request.declared_seconds)


def _share_taken(why: str) -> QueueFull:
    return QueueFull(f"Your share of the queue is taken: {why}. Send it again later, or raise the limit in the .env.")


def _full(why: str) -> QueueFull:
    return QueueFull(f"The queue is full: {why}. Send it again later, or raise the limit in the server's .env.")
