"""Keeps the index: makes it, compares it with all directories as it begins, and looks now and then for what was changed
behind its back: by an earlier version, by hand, from a backup, or as the power went.

A change of which jobs there are shows in the time of `jobs/` and is found within a minute; one inside of a job's
directory shows in that directory's own time, and these are gone through once an hour.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.runtime.file_lock import try_lock
from worker.runtime.timing import Timing
from worker.store.index.index_file import IndexUnavailable
from worker.store.index.job_index import JobIndex
from worker.store.index.job_row import ABOVE_ALL, UNKNOWN, stamp_of
from worker.store.index.scan import scan_all, scan_names

LOCK = "keeper.lock"

log = logging.getLogger(__name__)


class IndexKeeper:
    """Every process that serves has one; a file lock lets one of them work."""

    def __init__(self, jobs: Path, index: JobIndex, timing: Timing = Timing()) -> None:
        self._jobs = jobs
        self._index = index
        self._timing = timing
        self._directory = index.file.directory
        self._make_at = float("-inf")  # monotonic seconds, as the next two
        self._all_at = float("-inf")
        self._names_at = float("-inf")
        self._stamp = UNKNOWN  # of jobs/ at the last look at names

    def start(self) -> None:
        threading.Thread(target=self.run, args=(threading.Event(),), name="index", daemon=True).start()

    def run(self, stopped: threading.Event) -> None:
        """Until `stopped` is set."""
        while not stopped.is_set():
            try:
                self._directory.mkdir(mode=0o700, exist_ok=True)
                with held(self._directory / LOCK) as is_held:
                    if is_held():
                        self._begin()
                    while is_held() and not stopped.is_set():
                        self.keep(time.monotonic())
                        stopped.wait(self._timing.index_look)
            except OSError as error:
                log.warning("The index of the jobs cannot be kept: %s", error)
            except Exception:  # whatever it is, lists can be read without it
                log.exception("The index of the jobs cannot be kept")
            stopped.wait(self._timing.index_look)

    def _begin(self) -> None:
        """Nobody kept the index so far: what is in it counts once it is compared."""
        with contextlib.suppress(IndexUnavailable):  # there is none
            self._index.verify_from(ABOVE_ALL)
            self._index.check()

    def keep(self, now: float) -> None:
        """Does what is due. now: monotonic seconds."""
        try:
            if self._index.file.current() is None:
                self._make(now)
            if self._index.verified_from() or now >= self._all_at:
                self._look_at_all(now)
            elif now >= self._names_at:
                self._look_at_names(now)
        except IndexUnavailable:
            return  # it was thrown away, or cannot be made
        except OSError as error:
            log.warning("The jobs cannot be listed: %s", error)

    def _make(self, now: float) -> None:
        if now < self._make_at:
            return
        self._make_at = now + self._timing.index_remake
        try:
            self._index.create()
        except (OSError, sqlite3.Error) as error:
            log.warning("The jobs have no index, so that lists are slow: %s", error)

    def _look_at_all(self, now: float) -> None:
        began, stamp, is_new = time.monotonic(), stamp_of(self._jobs), bool(self._index.verified_from())
        scan_all(self._jobs, self._index)
        self._all_at, self._names_at = now + self._timing.index_scan, now + self._timing.reconcile
        self._stamp = stamp or UNKNOWN
        if is_new:
            log.info("The index of the jobs is up to date (%.1f s)", time.monotonic() - began)

    def _look_at_names(self, now: float) -> None:
        stamp = stamp_of(self._jobs)
        if stamp == UNKNOWN or stamp != self._stamp or self._index.unreadable():
            scan_names(self._jobs, self._index)
        self._names_at = now + self._timing.reconcile
        self._stamp = stamp or UNKNOWN


def distrust_unkept(index: JobIndex) -> None:
    """For whoever begins to work with a store: if nobody keeps its index, that counts once somebody compared it."""
    path = index.file.directory / LOCK
    with contextlib.suppress(OSError, IndexUnavailable):
        if index.file.current() is not None:
            with held(path) as is_held:
                if is_held():
                    index.verify_from(ABOVE_ALL)


@contextmanager
def held(path: Path) -> Iterator[Callable[[], bool]]:
    """Tries to lock a file, and gives what tells whether it is locked by us and still there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        is_locked = try_lock(descriptor)
        yield lambda: is_locked and _is_at(path, descriptor)
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
