"""What this machine knows of jobs in a shared store: a cache beside its other files, for lists and passes over many.

Of a job its owner never changes, and its state not while its outcome is the same object. So what was read once, by
whichever process of the machine, is not read again, nor what came in there; what cannot be written down is.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from worker.store.index.job_row import ENDING, OPEN, UNKNOWN, JobRow

NAME = "objects.sqlite"
PATIENCE = 1.0  # seconds for another process that writes
MOST = 1_000_000  # jobs; those that were deleted stay until then
_LAYOUT = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, owner TEXT, state TEXT, owes INT, ended_at REAL)"

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class RowMemory:
    """May be used from any thread, and by several processes."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_given_up = False

    def find(self, job_id: str, ended_at: float | None) -> JobRow | None:
        """None for a job that is not known, ENDING for one whose outcome is not. ended_at: when that was written, None
        if there is none."""
        query = "SELECT owner, state, owes, ended_at FROM jobs WHERE id = ?"
        found = self._try(lambda file: file.execute(query, (job_id,)).fetchone())
        if found is None:
            return None
        owner, state, owes, known_at = found
        now = OPEN if ended_at is None else state if known_at == ended_at else ENDING
        return JobRow(job_id, owner, now, bool(owes), UNKNOWN)

    def keep(self, row: JobRow, ended_at: float | None) -> None:
        values = (row.id, row.owner, row.state, row.owes, ended_at)
        self._try(lambda file: file.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?)", values))

    def _try(self, use: Callable[[sqlite3.Connection], Answer]) -> Answer | None:
        with self._lock:
            if self._is_given_up:
                return None
            try:
                return use(self._open())
            except sqlite3.Error as error:
                self._give_up(error)
                return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = sqlite3.connect(self._path, PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                _prepare(file)
            except sqlite3.Error:  # others may be at it: the next call opens it anew
                file.close()
                raise
            self._connection = file
        return self._connection

    def _give_up(self, error: sqlite3.Error) -> None:
        """One that is only busy is tried again; one that is damaged is removed, and made anew by the next process."""
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return
        log.warning("What this machine knows of the jobs of the store is forgotten: %s", error)
        self._is_given_up = True
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def _prepare(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = OFF")
    file.execute(_LAYOUT)
    if file.execute("SELECT COUNT(*) FROM jobs").fetchone()[0] > MOST:
        file.execute("DELETE FROM jobs")
