"""How a run of a job ends. The runner says which, and the slot tells RQ what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from worker.fleet.needs import Need
from worker.queue.job_queue import QueueName


@dataclass(frozen=True, slots=True)
class Finished:
    """The job has its transcript."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to do. state: `started`, by another entry of the queue, or `unreadable`."""

    state: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The job has failed for good. why: its code and message, which RQ shows."""

    why: str


@dataclass(frozen=True, slots=True)
class Canceled:
    """The job was canceled or deleted."""

    why: str = "The job was canceled."


@dataclass(frozen=True, slots=True)
class Requeue:
    """The job goes on from another place in the queues. queue: None for the one it was taken from. need: what not every
    worker has, for the queue of those that do."""

    why: str
    queue: QueueName | None = None
    at_front: bool = True
    need: Need | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Another worker has the job: whatever this run found out counts no more."""

    why: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """The run broke off for a reason that is not the job's, such as a full disk. Maintenance queues it again. due_at:
    in unix seconds; None for its next look at all jobs."""

    why: str
    due_at: float | None = None


End = Finished | Skipped | Failed | Canceled | Requeue | Lost | Postponed
