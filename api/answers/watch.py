"""What happened to all jobs since somebody last looked, gathered while they are busy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from worker.queue.events import DELETED, NEWS, FeedEntry

MOST = 1000  # jobs; whoever is so far behind had better read a list


@dataclass(slots=True)
class Changes:
    """jobs: the last that was told of each, its progress only if there was nothing else; in the order they changed.
    upto: the feed's entry after which there are more; empty if nothing was told. is_gap: some may be missing."""

    jobs: dict[str, FeedEntry] = field(default_factory=dict)
    upto: str = ""
    is_gap: bool = False

    @property
    def have_moved_a_queue(self) -> bool:
        return any(entry.state != NEWS for entry in self.jobs.values())

    def add(self, entry: FeedEntry) -> None:
        before = self.jobs.get(entry.job_id)
        if before is None or (entry.state != NEWS and before.state != DELETED):  # what is gone stays gone
            self.jobs[entry.job_id] = entry
        self.upto = entry.id
        if len(self.jobs) > MOST:
            self.jobs.clear()
            self.is_gap = True


class Watch:
    """Belongs to one event loop. woken: set when there is something to take, or the server stops."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._changes = Changes()

    def tell(self, entry: FeedEntry | None) -> None:
        """None for a gap in the feed."""
        if entry is None:
            self._changes.is_gap = True
        else:
            self._changes.add(entry)
        self.woken.set()

    def take(self) -> Changes:
        changes, self._changes = self._changes, Changes()
        self.woken.clear()
        return changes

    def give_back(self, changes: Changes) -> None:
        """What could not be told: it goes before what came meanwhile."""
        newer, self._changes = self._changes, changes
        for entry in newer.jobs.values():
            changes.add(entry)
        changes.upto = newer.upto or changes.upto
        changes.is_gap |= newer.is_gap
