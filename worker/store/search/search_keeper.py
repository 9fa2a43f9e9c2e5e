"""Keeps what jobs are searched by: makes it, newest first, drops the words of what was removed, and looks once an hour
for what was changed behind its back, by the times of the jobs' directories. It pauses after each piece as long as that
took, so it takes half a core at most."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from worker.runtime.timing import Timing
from worker.store.index.index_file import IndexUnavailable
from worker.store.index.job_row import ABOVE_ALL, UNKNOWN, job_ids, stamp_of
from worker.store.index.keeper import held
from worker.store.search.document import Document, read_document
from worker.store.search.search_index import SearchIndex

LOCK = "search.lock"
PIECE = 256  # directories that are compared at once
AT_ONCE = 64  # documents of a transaction …
MAX_TEXT = 200_000  # … and about so many characters of them, or others would wait too long
DROPPING = 20  # times as long as it took to drop what was removed until it is done again: it writes everything anew

log = logging.getLogger(__name__)


class SearchKeeper:
    """Every process that serves has one; a file lock lets one of them work."""

    def __init__(self, jobs: Path, index: SearchIndex, timing: Timing = Timing()) -> None:
        self._jobs = jobs
        self._index = index
        self._timing = timing
        self._make_at = self._scan_at = self._drop_at = float("-inf")  # monotonic seconds

    def start(self) -> None:
        threading.Thread(target=self.run, args=(threading.Event(),), name="search", daemon=True).start()

    def run(self, stopped: threading.Event) -> None:
        """Until `stopped` is set."""
        while not stopped.is_set():
            try:
                self._index.file.directory.mkdir(mode=0o700, exist_ok=True)
                self._index.catch_up()
                with held(self._index.file.directory / LOCK) as is_held:
                    while is_held() and not stopped.is_set():
                        self.keep(time.monotonic())
                        stopped.wait(self._timing.index_look)
            except OSError as error:
                log.warning("Search cannot be kept up to date: %s", error)
            except Exception:  # whatever it is, jobs can be listed without it
                log.exception("Search cannot be kept up to date")
            stopped.wait(self._timing.index_look)

    def keep(self, now: float) -> None:
        """Does what is due. now: monotonic seconds."""
        with contextlib.suppress(IndexUnavailable):  # it was thrown away, or cannot be made
            self._index.catch_up()
            self._discard_old()
            if self._index.file.current() is None:
                self._make(now)
            if self._index.verified_from() or now >= self._scan_at:
                self._scan()
                self._scan_at = now + self._timing.index_scan
            if now >= self._drop_at and self._index.has_removed():
                self._drop_at = now + DROPPING * self._drop_removed()

    def _discard_old(self) -> None:
        if self._index.file.current() is not None and not self._index.is_of_this_boot():
            self._index.file.discard("the machine has started since")

    def _make(self, now: float) -> None:
        if now < self._make_at:
            return
        self._make_at = now + self._timing.index_remake
        try:
            self._index.create()
        except (OSError, sqlite3.Error) as error:
            log.warning("Jobs are not searched but read: %s", error)

    def _scan(self) -> None:
        is_new, before = bool(self._index.verified_from()), ABOVE_ALL
        names = job_ids(self._jobs)
        for start in range(0, len(names), PIECE):
            began, piece = time.perf_counter(), names[start : start + PIECE]
            known = self._index.stamps(piece[-1], before)
            self._read([name for name in piece if _may_differ(self._jobs / name, known.get(name))])
            self._forget(list(known.keys() - set(piece)))
            before = piece[-1]
            if is_new:
                self._index.verify_from(before)
            time.sleep(time.perf_counter() - began)
        self._forget(list(self._index.stamps("", before)))
        if is_new:
            self._index.verify_from("")

    def _read(self, names: Sequence[str]) -> None:
        began, read = time.perf_counter(), list[Document | str]()
        for name in names:
            read.append(read_document(self._jobs / name) or name)
            if len(read) >= AT_ONCE or sum(len(each.body) for each in read if isinstance(each, Document)) >= MAX_TEXT:
                self._put(read)
                read.clear()
                time.sleep(time.perf_counter() - began)
                began = time.perf_counter()
        self._put(read)

    def _drop_removed(self) -> float:
        """Returns how many seconds it took."""
        began = step = time.perf_counter()
        while self._index.drop_removed():
            time.sleep(time.perf_counter() - step)
            step = time.perf_counter()
        return time.perf_counter() - began

    def _forget(self, names: Sequence[str]) -> None:
        self._put([name for name in names if not (self._jobs / name).exists()])

    def _put(self, found: Sequence[Document | str]) -> None:
        """Raises IndexUnavailable if another writes all the time: what is not in it must not count as being there."""
        if found and not self._index.put(found) and not self._index.put(found):
            raise IndexUnavailable


def _may_differ(directory: Path, stamp: int | None) -> bool:
    return stamp is None or stamp == UNKNOWN or stamp_of(directory) != stamp
