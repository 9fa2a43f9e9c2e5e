"""Which jobs are to be looked at, newest first: by the index as far down as it can be relied on, by reading directory
after directory below that. The index may appear, grow or go while somebody reads on."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence

from worker.store.index.index_file import IndexUnavailable
from worker.store.index.job_index import JobIndex, Page, Seen
from worker.store.index.job_row import ABOVE_ALL, ENDING, OPEN, JobRow, JobRows
from worker.store.records import ENDED, State

PIECE = 256  # directories that are read between two looks at the index


class Catalog:
    """Of each job that is given out the store itself has the last word."""

    def __init__(self, rows: JobRows, index: JobIndex) -> None:
        self._rows = rows
        self._index = index

    def of_owner(self, owner: str, after: str | None = None, *statuses: State) -> Iterator[str]:
        """The owner's jobs that may have one of the statuses, or any if none is given, older than `after`."""
        states, wanted = _states(statuses), self._wanted(owner, statuses)
        found = self._found(lambda before: self._index.of_owner(owner, states, before), wanted, after or ABOVE_ALL)
        return (seen.id for seen in found)

    def not_ended(self) -> Iterator[Seen]:
        """All jobs that may not have ended, and those that cannot be read."""
        return self._found(self._index.not_ended, lambda row: not row.is_ended)

    def owing(self) -> Iterator[Seen]:
        """All jobs that may owe a webhook."""
        return self._found(self._index.owing, lambda row: row.owes)

    def due(self, now: float, limit: int) -> Iterator[Seen]:
        """Ended jobs that maintenance is to look at, about `limit` of them, the longest due first; without an index all
        that have ended. now: unix seconds."""
        told = False

        def page(before: str) -> Page:
            nonlocal told
            found = self._index.due(now, 0 if told else limit)
            told = True
            return found

        return self._found(page, lambda row: row.is_ended)

    @staticmethod
    def _wanted(owner: str, statuses: Sequence[State]) -> Callable[[JobRow], bool]:
        states = _states(statuses)
        return lambda row: row.owner is None or (row.owner == owner and row.state in states)

    def _found(
        self, page: Callable[[str], Page], wanted: Callable[[JobRow], bool], before: str = ABOVE_ALL
    ) -> Iterator[Seen]:
        names: list[str] | None = None
        while True:
            try:
                while (found := page(before)).jobs:
                    yield from found.jobs
                    before = found.jobs[-1].id
                if not found.lowest:
                    return
                before = min(before, found.lowest)
            except IndexUnavailable:
                pass
            if names is None:
                names = self._rows.ids()[::-1]
            end = bisect.bisect_left(names, before)
            if not end:
                return
            piece = names[max(0, end - PIECE) : end]
            for name in reversed(piece):
                row = self._rows.row(name)
                if row is not None and wanted(row):
                    yield Seen(name, None)
            before = piece[0]


def _states(statuses: Sequence[State]) -> set[str]:
    """Of the rows of jobs that may have one of the statuses, or any if none is given."""
    return {ENDING, *(state if state in ENDED else OPEN for state in statuses or (OPEN, *ENDED))}
