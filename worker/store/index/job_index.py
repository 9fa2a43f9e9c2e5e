"""The index of all jobs. What it says may be behind in one direction only, so that what it leaves out is not there:

- a job's row is there before its directory is, and goes after it;
- a row says that a job is ending before the outcome is on disk, and how it ended after that; it takes that back before
  the outcome goes;
- a row owes no webhook only after that is settled, and owes it again before it is sent again.

What is told before a change is told again after it: another file may have been made meanwhile.

Whoever asks takes the rows as candidates and reads the directories of those alone. A change that did not come to the
index although it had to throws the file away. What was changed behind its back, by an earlier version or by hand, is
found by the keeper, which also says down to which id the rows can be relied on (`verified_from`).
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.store.index.boot import boot
from worker.store.index.index_file import IndexFile, IndexUnavailable
from worker.store.index.job_row import ABOVE_ALL, ENDING, OPEN, UNKNOWN, UNREADABLE, Ended, IndexState, JobRow, row_of
from worker.store.records import JobRequest

ROWS = 256  # of a page
BATCH = 1000  # rows that are changed in one transaction

_ROW = "id, revision, stamp, state"


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as it was found. revision: of its row, None if it was found without the index. stamp: another one after
    each end and each line of its deliveries; None if one has to look. ended: None if no list says that."""

    id: str
    revision: int | None
    stamp: str | None = None
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, newest first, with ids below where the page begins and not below `lowest`; further down the rows cannot be
    relied on. lowest: empty if all can."""

    jobs: Sequence[Seen]
    lowest: str


@dataclass(frozen=True, slots=True)
class Known:
    """A row as the keeper compares it."""

    revision: int
    stamp: int
    state: IndexState


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at some directories came to. rows: read anew, with the revision that was known. gone: jobs without a
    directory."""

    rows: Sequence[tuple[JobRow, int | None]]
    gone: Sequence[str]


class JobIndex:
    """Reading raises IndexUnavailable; writing does nothing if there is no index."""

    def __init__(self, directory: Path, changed: Callable[[str], None] = lambda job_id: None) -> None:
        """changed: called with the id of each job that came, ended or went."""
        self.file = IndexFile(directory)
        self._changed = changed

    # What the store tells it

    def comes(self, request: JobRequest) -> Path | None:
        """Before the job is there; returns which file was told."""
        self.file.write(lambda connection: _insert(connection, row_of(request)), needed=True)
        return self.file.current()

    def came(self, request: JobRequest, told: Path | None) -> None:
        """After the job is there."""
        if self.file.current() != told:
            self.comes(request)
        self._changed(request.id)

    def reopens(self, job_id: str) -> None:
        """Before the job's outcome is taken back, and after. It may owe a webhook of its new end."""
        self._change("state = ?, look_at = NULL, owes = 1, stamp = ?", (OPEN, UNKNOWN), job_id, needed=True)

    def ends(self, job_id: str) -> Seen:
        """Before the outcome is there; returns what `ended` is to be told."""
        found: list[tuple[int]] = []

        def use(connection: sqlite3.Connection) -> None:
            _mark_ending(connection, job_id)
            found.extend(connection.execute("SELECT revision FROM jobs WHERE id = ?", (job_id,)).fetchall())

        self.file.write(use, needed=True)
        return Seen(job_id, found[0][0] if found else None)

    def ended(self, seen: Seen, state: IndexState) -> None:
        """After the outcome is there; maintenance is to look at the job. If another told of the job meanwhile, it may
        have ended or not."""
        where = "WHERE id = ? AND revision = ?"
        statement = f"UPDATE jobs SET state = ?, look_at = 0, stamp = ?, revision = revision + 1 {where}"

        def use(connection: sqlite3.Connection) -> None:
            if not connection.execute(statement, (state, UNKNOWN, seen.id, seen.revision)).rowcount:
                _mark_ending(connection, seen.id)

        self.file.write(use, needed=False)
        self._changed(seen.id)

    def owes(self, job_id: str) -> None:
        """Before a line about the job's webhook is written, and after."""
        self._change("owes = 1", (), job_id, needed=True)

    def look_soon(self, job_id: str) -> None:
        """Maintenance is to look at the job again if it has ended."""
        self._change("look_at = min(look_at, 0)", (), job_id, needed=False)  # NULL stays NULL: it has not ended

    def forget(self, job_id: str) -> None:
        """After the job is gone."""
        self._write("DELETE FROM jobs WHERE id = ?", (job_id,), needed=False)
        self._changed(job_id)

    # What is found out about jobs that were looked at

    def looked_at(self, seen: Seen, state: IndexState, again_at: float) -> None:
        """The job has ended, and there is nothing to do before `again_at`, in unix seconds."""
        self._change_seen("state = ?, look_at = ?", (state, again_at), seen)

    def put_off(self, seen: Seen, again_at: float) -> None:
        """As `looked_at`, for a job whose outcome only a newer version reads."""
        self._change_seen("look_at = max(look_at, ?)", (again_at,), seen)  # NULL stays NULL: it has not ended

    def settled(self, seen: Seen) -> None:
        """No webhook is owed."""
        self._change_seen("owes = 0", (), seen)

    def obey(self, rules: str) -> None:
        """Maintenance is to look at all that has ended, if it did so by other rules."""
        again = "UPDATE jobs SET look_at = 0 WHERE id IN (SELECT id FROM jobs WHERE look_at > 0 LIMIT ?)"
        with contextlib.suppress(IndexUnavailable):
            if self._fact("rules") == rules:
                return
            while self._rows("SELECT 1 FROM jobs WHERE look_at > 0 LIMIT 1", ()):
                self._write(again, (BATCH,), needed=True)
            self._set_fact("rules", rules, needed=False)

    # What is asked

    def of_owner(self, owner: str, states: Iterable[str], before: str) -> Page:
        """The owner's jobs in these states, and those of which nobody knows whose they are."""
        wanted = [*((owner, state) for state in states), (None, UNREADABLE)]
        where = "owner IS ? AND state = ? AND id < ? AND id >= ? ORDER BY id DESC LIMIT ?"

        def use(connection: sqlite3.Connection, lowest: str) -> list[tuple[Any, ...]]:
            query = f"SELECT id, revision FROM jobs WHERE {where}"
            found = (connection.execute(query, (*one, before, lowest, ROWS)).fetchall() for one in wanted)
            return list(itertools.islice(heapq.merge(*found, reverse=True), ROWS))

        return self._page(use)

    def not_ended(self, before: str) -> Page:
        """All owners' jobs that have not ended or cannot be read."""
        return self._page_where("look_at IS NULL", before)

    def owing(self, before: str) -> Page:
        """All jobs that may owe a webhook."""
        return self._page_where("owes = 1", before)

    def due(self, now: float, limit: int) -> Page:
        """Ended jobs that are to be looked at, the longest due first. now: unix seconds."""
        query = "SELECT id, revision FROM jobs WHERE look_at <= ? AND id >= ? ORDER BY look_at LIMIT ?"
        return self._page(lambda connection, lowest: connection.execute(query, (now, lowest, limit)).fetchall())

    # What the keeper does

    def verified_from(self) -> str:
        """The lowest id from which on the rows can be relied on; empty if all can."""
        return self.file.read(_verified_from)

    def verify_from(self, job_id: str) -> None:
        self._set_fact("verified_from", job_id, needed=True)

    def known(self, lowest: str, before: str) -> Mapping[str, Known]:
        """All rows from `lowest` on and below `before`."""
        query = f"SELECT {_ROW} FROM jobs WHERE id >= ? AND id < ?"
        return {row[0]: Known(*row[1:]) for row in self._rows(query, (lowest, before))}

    def correct(self, verified: Verified) -> bool:
        """Writes what the directories say, unless the store has told otherwise since they were read. Returns whether
        that could be done."""

        def use(connection: sqlite3.Connection) -> None:
            for row, revision in verified.rows:
                _insert(connection, row) if revision is None else _replace(connection, row, revision)
            connection.executemany("DELETE FROM jobs WHERE id = ?", [(job_id,) for job_id in verified.gone])

        return not (verified.rows or verified.gone) or self.file.write(use, needed=False)

    def unreadable(self) -> int:
        """How many jobs cannot be read."""
        query = "SELECT count(*) FROM jobs WHERE look_at IS NULL AND state = ?"
        return int(self._rows(query, (UNREADABLE,))[0][0])

    def check(self) -> None:
        """Throws the file away if it is damaged, or was made before the machine last started: a loss of power may have
        torn it. Takes some milliseconds for each megabyte."""
        verdict = self._rows("PRAGMA quick_check(1)", ())
        if verdict != [("ok",)]:
            self.file.discard(verdict)
        elif self._fact("boot") != boot():
            self.file.discard("the machine has started since")

    def create(self) -> None:
        """An empty one. Raises OSError or sqlite3.Error."""
        self.file.create()
        self._set_fact("boot", boot(), needed=True)

    def _page_where(self, condition: str, before: str) -> Page:
        query = f"SELECT id, revision FROM jobs WHERE {condition} AND id < ? AND id >= ? ORDER BY id DESC LIMIT {ROWS}"
        return self._page(lambda connection, lowest: connection.execute(query, (before, lowest)).fetchall())

    def _page(self, use: Callable[[sqlite3.Connection, str], list[tuple[Any, ...]]]) -> Page:
        """Both from the same file, which another may replace at any moment."""

        def read(connection: sqlite3.Connection) -> Page:
            lowest = _verified_from(connection)
            return Page([Seen(*row) for row in use(connection, lowest)], lowest)

        return self.file.read(read)

    def _rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self.file.read(lambda connection: connection.execute(query, values).fetchall())

    def _write(self, statement: str, values: Sequence[Any], *, needed: bool) -> None:
        self.file.write(lambda connection: connection.execute(statement, values), needed=needed)

    def _change(self, changes: str, values: Sequence[Any], job_id: str, *, needed: bool) -> None:
        self._write(
            f"UPDATE jobs SET {changes}, revision = revision + 1 WHERE id = ?", (*values, job_id), needed=needed
        )

    def _change_seen(self, changes: str, values: Sequence[Any], seen: Seen) -> None:
        """Nothing happens if the job was changed since it was seen."""
        if seen.revision is not None:
            where = "WHERE id = ? AND revision = ?"
            statement = f"UPDATE jobs SET {changes}, revision = revision + 1 {where}"
            self._write(statement, (*values, seen.id, seen.revision), needed=False)

    def _fact(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def _set_fact(self, name: str, value: str, *, needed: bool) -> None:
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value), needed=needed)


def _verified_from(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM facts WHERE name = 'verified_from'").fetchone()
    return ABOVE_ALL if row is None else str(row[0])


def _insert(connection: sqlite3.Connection, row: JobRow) -> None:
    values = (row.id, row.owner, row.state, row.owes, row.stamp, _look_at(row))
    connection.execute("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, 0)", values)


def _mark_ending(connection: sqlite3.Connection, job_id: str) -> None:
    statement = "UPDATE jobs SET state = ?, revision = revision + 1 WHERE id = ? AND state = ?"
    connection.execute(statement, (ENDING, job_id, OPEN))


def _replace(connection: sqlite3.Connection, row: JobRow, revision: int) -> None:
    changes = "owner = ?, state = ?, owes = ?, stamp = ?, look_at = ?, revision = revision + 1"
    values = (row.owner, row.state, row.owes, row.stamp, _look_at(row), row.id, revision)
    connection.execute(f"UPDATE jobs SET {changes} WHERE id = ? AND revision = ?", values)


def _look_at(row: JobRow) -> float | None:
    return 0.0 if row.is_ended else None
