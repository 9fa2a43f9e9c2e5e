"""What a job has decoded so far, kept window by window, so that whoever goes on with it need not begin anew.

checkpoint.<n>.jsonl   one file for each attempt, which nobody else writes to
  first line           the plan: whatever, if it were different, would give other windows or other words
  every other line     a window and its result; of two lines for one window the later counts
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from engines.base import Window, WindowResult
from engines.transcript import Word
from worker.store import JobNotFound, JobStore

FORMAT = 1

log = logging.getLogger(__name__)


class JobCheckpoint:
    """The results of one job's earlier attempts, and a file for those of this one.

    plan: JSON of what the results depend on; files of another plan are left out. A job goes on without a
    checkpoint where its file cannot be written.
    """

    def __init__(self, store: JobStore, job_id: str, plan: Mapping[str, Any]) -> None:
        self._store = store
        self._job_id = job_id
        self._plan = {"format": FORMAT, **json.loads(json.dumps(plan))}
        self._results = dict(_known(store.checkpoints(job_id), self._plan))
        self._file: BinaryIO | None = None
        self._is_broken = False

    def result(self, window: Window) -> WindowResult | None:
        """The window's result, where it was decoded before."""
        return self._results.get(_place(window))

    def save(self, window: Window, result: WindowResult) -> None:
        """Keeps it where a crash of this process does not reach. Not synced: a loss of power costs decoding time."""
        if self._is_broken:
            return
        try:
            if self._file is None:
                self._file = self._store.begin_checkpoint(self._job_id)
                self._write(self._plan)
            self._write({"window": _place(window), "result": asdict(result)})
        except (OSError, JobNotFound) as error:
            self._is_broken = True
            log.warning("Job %s goes on without a checkpoint: %s", self._job_id, error)

    def close(self) -> None:
        """Ends this attempt's file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                log.warning("The checkpoint of %s could not be closed: %s", self._job_id, error)

    def _write(self, row: Mapping[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._file.flush()


Place = tuple[int, int, int, int]


def _place(window: Window) -> Place:
    """The window's number, where in the recording it begins and ends, and how much of that it has, in samples."""
    first, last = window.pieces[0], window.pieces[-1]
    return window.index, first.source, last.source + last.length, len(window.samples)


def _known(files: list[bytes], plan: Mapping[str, Any]) -> Iterator[tuple[Place, WindowResult]]:
    for content in files:
        rows = _rows(content)
        if next(rows, None) != plan:
            continue
        for row in rows:
            index, start, end, length = row["window"]
            yield (index, start, end, length), _result(row["result"])


def _rows(content: bytes) -> Iterator[Any]:
    """Whole lines only: the last one is torn where the process died as it wrote it."""
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        try:
            yield json.loads(line)
        except ValueError:  # a disk that lost its power may leave anything behind
            return


def _result(row: dict[str, Any]) -> WindowResult:
    words = tuple(Word(**word) for word in row["words"])
    word_tokens = tuple(tuple(tokens) for tokens in row["word_tokens"])
    return WindowResult(**{**row, "tokens": tuple(row["tokens"]), "words": words, "word_tokens": word_tokens})
