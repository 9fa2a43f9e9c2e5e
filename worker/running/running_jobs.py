"""The jobs that run in this worker process, and what may be asked of them while they do."""

from __future__ import annotations

import threading
from collections.abc import Callable

from worker.queue.run_end import Requeue, Skipped
from worker.running.attempt import Attempt
from worker.runtime.timing import Timing


class RunningJobs:
    """May be called from any thread. What is said of a job that does not run here has no effect."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self._timing = timing
        self._attempts: dict[str, Attempt] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._alone: str | None = None  # the job that is tried alone

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def refusal(self, job_id: str) -> Requeue | None:
        """Why the job may not begin now, if so."""
        if self._stopping:
            return Requeue("The worker is stopping.")
        if self._alone not in (None, job_id):
            return Requeue("The model is wanted for one recording alone.")
        return None

    def enter(self, attempt: Attempt) -> Requeue | Skipped | None:
        """Why the attempt may not begin; if it may, it is `leave` in the end."""
        with self._lock:
            if refusal := self.refusal(attempt.job_id):
                return refusal
            if attempt.job_id in self._attempts:  # from another entry of the queue
                return Skipped("started")
            self._attempts[attempt.job_id] = attempt
            return None

    def leave(self, attempt: Attempt) -> None:
        with self._lock:
            del self._attempts[attempt.job_id]

    def cancel(self, job_id: str) -> None:
        """Frees the model within one window."""
        if attempt := self._attempt(job_id):
            attempt.cancel()

    def cancel_if(self, is_over: Callable[[str], bool]) -> None:
        """Stops work on jobs that ended elsewhere while nobody told us."""
        for attempt in self._all():
            if is_over(attempt.job_id):
                attempt.cancel()

    def lose(self, job_id: str) -> None:
        """Stops work on a job that another worker was given."""
        if attempt := self._attempt(job_id):
            attempt.lose()

    def hand_back_others(self, job_id: str) -> None:
        """Hands all jobs back but this one, which is to be tried alone, until `end_alone`."""
        with self._lock:
            self._alone = job_id
        self._hand_back("The model is wanted for one recording alone.", lambda attempt: attempt.job_id != job_id)

    def end_alone(self) -> None:
        """Lets other jobs begin again."""
        self._alone = None

    def make_room(self, model: str) -> None:
        """Hands the jobs of a model back: another is wanted in its place. A long recording is read again up to where
        it was, in each of its turns; a job goes only when that has paid off, or two such jobs would never end."""
        self._hand_back("Another model is wanted.", lambda attempt: attempt.model == model and attempt.has_paid_off)

    def stop(self) -> None:
        """Hands all running jobs back, and takes no more."""
        with self._lock:
            self._stopping = True
        self._hand_back("The worker is stopping.", lambda attempt: True)

    def note_crash(self) -> None:
        """Before the process ends itself for what one of them does to it."""
        for attempt in self._all():
            attempt.note_crash()

    def leave_all(self) -> None:
        """Ends in good order what did not end by itself, before the process is ended."""
        for attempt in self._all():
            attempt.leave()

    def _hand_back(self, why: str, is_meant: Callable[[Attempt], bool]) -> None:
        for attempt in self._all():
            if is_meant(attempt):
                attempt.hand_back(why, self._timing.hand_back)

    def _attempt(self, job_id: str) -> Attempt | None:
        with self._lock:
            return self._attempts.get(job_id)

    def _all(self) -> list[Attempt]:
        with self._lock:
            return list(self._attempts.values())
