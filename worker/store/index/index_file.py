"""The index's file: SQLite, one of a name of its own each time, thrown away as soon as it may be wrong.

index/<kind>-<layout>-<when>.sqlite  and its journal while it is changed; jobs, and words or texts for search
index/keeper.lock                   held by the process that keeps the index

Nothing is synced, so a change takes a fraction of a millisecond. The change of a process that was killed is rolled
back by the next one, and a file from before the machine last started is not believed. A write-ahead log would need
memory that processes share through a file: if somebody cuts that off, the system kills them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

LAYOUT = 1  # another one is another file: versions that share a store leave each other's alone
BUSY = 3.0  # seconds to wait for another process; SQLite is not fair to those that wait

JOBS = (
    """CREATE TABLE jobs (id TEXT PRIMARY KEY, owner TEXT, state TEXT NOT NULL, owes INTEGER NOT NULL,
       stamp INTEGER NOT NULL, look_at REAL, revision INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX by_owner ON jobs (owner, state, id)",
    "CREATE INDEX not_ended ON jobs (id) WHERE look_at IS NULL",
    "CREATE INDEX due ON jobs (look_at) WHERE look_at IS NOT NULL",
    "CREATE INDEX owing ON jobs (id) WHERE owes = 1",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
_PRAGMAS = {
    "synchronous": "OFF",
    "journal_mode": "TRUNCATE",
    "temp_store": "MEMORY",
    "secure_delete": "ON",  # what a deleted job said is overwritten
}

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class IndexUnavailable(Exception):
    """There is no index, or it cannot be used at the moment: the directories have to be read."""


class IndexFile:
    """One connection for all threads of a process; every use is short. Only `create` makes a file: whoever works on a
    store that nobody keeps an index of leaves none behind."""

    def __init__(self, directory: Path, kind: str = "jobs", tables: Sequence[str] = JOBS, busy: float = BUSY) -> None:
        """kind: how its name begins. tables: statements that make them. busy: seconds to wait for another process."""
        self.directory = directory
        self._kind = f"{kind}-{LAYOUT}-"
        self._tables = tables
        self.busy = busy
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._path: Path | None = None
        self._inode = 0
        self._given_up: set[str] = set()  # files that are wrong and cannot be removed

    def read(self, use: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Raises IndexUnavailable."""
        with self._lock:
            try:
                return use(self._open())
            except sqlite3.Error as error:
                if not self._is_gone() and not _is_passing(error):
                    self.discard(error)
                raise IndexUnavailable from error

    def write(self, use: Callable[[sqlite3.Connection], object], *, needed: bool) -> bool:
        """Whether the change was made. needed: without it the index would be wrong, and is thrown away. Whatever else
        waits no longer for a thread that reads than for another process."""
        if not self._lock.acquire(timeout=-1 if needed else self.busy):
            return False
        try:
            return self._write(use, needed=needed)
        finally:
            self._lock.release()

    def _write(self, use: Callable[[sqlite3.Connection], object], *, needed: bool) -> bool:
        try:
            with _transaction(self._open()) as connection:
                use(connection)
            return True
        except IndexUnavailable:
            return False
        except sqlite3.Error as error:
            if self._is_gone():
                return self._write(use, needed=needed)  # in the next one, if there is one
            if needed or not _is_passing(error):
                self.discard(error)
            return False

    def _is_gone(self) -> bool:
        """Whether somebody threw away the file that is open."""
        return self._connection is not None and _inode(self._path) != self._inode

    def create(self) -> None:
        """A new, empty file. Raises OSError or sqlite3.Error."""
        with self._lock:
            self.close()
            for path in self.directory.glob(f"{self._kind}*"):
                with contextlib.suppress(OSError):
                    path.unlink()
            path = self.directory / f"{self._kind}{time.time_ns():x}.sqlite"
            aside = path.with_suffix(".tmp")
            os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            try:
                self._lay_out(aside)
                os.rename(aside, path)
            finally:
                for left in (aside, aside.with_name(f"{aside.name}-journal")):
                    left.unlink(missing_ok=True)

    def discard(self, reason: object) -> None:
        """Throws the file away; whoever keeps the index makes another."""
        with self._lock:
            path = self._path or self._find()
            self.close()
            if path is None:
                return
            log.warning("The index %s is thrown away and made anew: %s", path.name, reason)
            self._given_up.add(path.name)
            for name in (path.name, f"{path.name}-journal"):
                with contextlib.suppress(OSError):
                    (self.directory / name).unlink(missing_ok=True)

    def current(self) -> Path | None:
        """The file there is; each has a name of its own. Waits for nobody."""
        path = self._path
        return path if path is not None and _inode(path) == self._inode else self._find()

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and not self._is_gone():
            return self._connection
        self.close()
        path = self._find()
        inode = _inode(path)
        if path is None or inode is None:
            raise IndexUnavailable
        self._path, self._inode = path, inode
        self._connection = _connect(path, self.busy)
        return self._connection

    def close(self) -> None:
        connection, self._connection, self._path = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _lay_out(self, path: Path) -> None:
        connection = _connect(path, self.busy)
        try:
            with _transaction(connection):
                for statement in self._tables:
                    connection.execute(statement)
        finally:
            connection.close()

    def _find(self) -> Path | None:
        try:
            names = os.listdir(self.directory)
        except OSError:
            return None
        ours = (name for name in names if name.startswith(self._kind) and name.endswith(".sqlite"))
        mine = [name for name in ours if name not in self._given_up]
        return self.directory / max(mine) if mine else None


def _connect(path: Path, busy: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=busy, isolation_level=None, check_same_thread=False)
    for name, value in _PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_passing(error: sqlite3.Error) -> bool:
    code: Any = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _PASSING


def _inode(path: Path | None) -> int | None:
    try:
        return os.stat(path).st_ino if path else None
    except OSError:
        return None
