"""Compares the index with the directories, the newest first, piece by piece with a pause after each as long as it took:
so a scan takes half a core at most, and the jobs that are asked for most are there first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.store.index.index_file import IndexUnavailable
from worker.store.index.job_index import JobIndex, Known, Verified
from worker.store.index.job_row import ABOVE_ALL, ENDING, OPEN, UNKNOWN, UNREADABLE, job_ids, read_row, stamp_of

PIECE = 256  # directories


def scan_all(jobs: Path, index: JobIndex) -> None:
    """Finds jobs that came, went or were changed, and says from which id on the index can be relied on. Raises OSError,
    or IndexUnavailable if the index went meanwhile."""
    _scan(jobs, index, is_thorough=True)


def scan_names(jobs: Path, index: JobIndex) -> None:
    """As `scan_all`, for jobs that came or went, and those that could not be read."""
    _scan(jobs, index, is_thorough=False)


def _scan(jobs: Path, index: JobIndex, *, is_thorough: bool) -> None:
    names = job_ids(jobs)
    is_new = is_thorough and index.verified_from() != ""
    before = ABOVE_ALL
    for start in range(0, len(names), PIECE):
        began = time.perf_counter()
        piece = names[start : start + PIECE]
        _correct(index, _compared(jobs, piece, index.known(piece[-1], before), is_thorough))
        before = piece[-1]
        if is_new:
            index.verify_from(before)
        time.sleep(time.perf_counter() - began)
    _correct(index, _compared(jobs, (), index.known("", before), is_thorough))
    if is_new:
        index.verify_from("")


def _compared(jobs: Path, names: Sequence[str], known: Mapping[str, Known], is_thorough: bool) -> Verified:
    """names: of the directories there are; known: the rows of the same range."""
    rows = []
    for name in names:
        before = known.get(name)
        if before is None or _may_differ(jobs / name, before, is_thorough):
            row = read_row(jobs / name)
            if row is not None and not (row.state == OPEN and before and before.state == ENDING):
                rows.append((row, before.revision if before else None))
    gone = [job_id for job_id in known.keys() - set(names) if not (jobs / job_id).exists()]
    return Verified(rows, gone)


def _may_differ(directory: Path, known: Known, is_thorough: bool) -> bool:
    if known.state == UNREADABLE:
        return True
    return is_thorough and (known.stamp == UNKNOWN or stamp_of(directory) != known.stamp)


def _correct(index: JobIndex, verified: Verified) -> None:
    if not index.correct(verified):
        raise IndexUnavailable
