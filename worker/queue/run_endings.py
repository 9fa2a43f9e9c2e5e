"""How a run of a job may end other than with its transcript. The slot tells RQ what follows from it."""

from __future__ import annotations

from worker.queue.job_queue import QueueName


class JobEnded(Exception):
    """The job has its outcome and it is not a transcript. RQ shows the message; there is nothing to retry."""


class JobCanceled(JobEnded):
    """The job was canceled."""


class Requeued(Exception):
    """The run ends and the job goes on from another place in the queues. queue: None for the one it was taken from."""

    def __init__(self, message: str, queue: QueueName | None = None, *, at_front: bool = True) -> None:
        super().__init__(message)
        self.queue = queue
        self.at_front = at_front


class LeaseLost(Exception):
    """Another worker has the job: whatever this run finds out counts no more."""
