"""The runs of one job as objects.

checkpoint.<n>              attempt n has begun; of those that begin at once one has the number
checkpoint.<n>.<batch>      what it has decoded, some lines each
checkpoint.<n>.ended        it left in good order; and its last lines
checkpoint.<n>.crashed      its worker died of its own, as its supervisor saw
"""

from __future__ import annotations

import re
import threading
import time
from uuid import uuid4

from worker.store.attempts import Attempt
from worker.store.errors import JobNotFound
from worker.store.objects.bucket import Bucket, Conflict
from worker.store.objects.looks import Look, Looks

BATCH = 5.0  # seconds of work that a crash may cost: so long lines wait for others to go with

_NAME = re.compile(r"checkpoint\.(\d+)(?:\.(\d{6}|ended|crashed))?")


def read_all(bucket: Bucket, job_id: str, look: Look) -> list[Attempt]:
    """All runs of the job so far, the first one first."""
    parts: dict[int, dict[str, str]] = {}  # names by number and kind
    for name in sorted(look.entries):
        if found := _NAME.fullmatch(name):
            parts.setdefault(int(found[1]), {})[found[2] or ""] = name
    return [_read(bucket, job_id, number, parts[number]) for number in sorted(parts)]


def newest(look: Look) -> int:
    """The number of the latest attempt, 0 for none."""
    return max((int(found[1]) for name in look.entries if (found := _NAME.fullmatch(name))), default=0)


def note_crash(bucket: Bucket, looks: Looks, job_id: str) -> None:
    look = looks.look(job_id)
    if (number := newest(look)) and look.is_job:
        bucket.put(f"jobs/{job_id}/checkpoint.{number}.crashed", b"")
        looks.came(job_id, f"checkpoint.{number}.crashed")


def _read(bucket: Bucket, job_id: str, number: int, parts: dict[str, str]) -> Attempt:
    lines = [kind for kind in sorted(parts) if kind not in ("", "crashed")]  # `ended` sorts behind the numbers
    content = b"".join(bucket.get(f"jobs/{job_id}/{parts[kind]}").data for kind in lines)
    return Attempt(number, "ended" in parts, content, "crashed" in parts)


class ObjectAttemptLog:
    """See AttemptLog. Raises JobNotFound for a job that is gone. batch: seconds."""

    def __init__(self, bucket: Bucket, looks: Looks, job_id: str, batch: float = BATCH) -> None:
        self._bucket = bucket
        self._looks = looks
        self._job_id = job_id
        self._batch = batch
        self._lock = threading.Lock()
        self._waiting = b""
        self._batches = 0
        self._timer: threading.Timer | None = None
        self._error: OSError | None = None
        self._is_open = True
        self._has_ended = False
        self._number = self._begin(looks.look(job_id, batch))

    @property
    def number(self) -> int:
        return self._number

    def append(self, lines: bytes) -> None:
        """Raises also what befell the lines before."""
        with self._lock:
            if self._error:
                error, self._error = self._error, None
                raise error
            if not self._is_open:
                return
            self._waiting += lines
            if self._timer is None:
                self._timer = threading.Timer(self._batch, self._write_in_time)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        with self._lock:
            self._is_open = False
            self._waiting = b""
            self._stop()

    def end(self) -> None:
        with self._lock:
            self._is_open = False
            self._stop()
            if not self._has_ended and self._looks.look(self._job_id, self._batch).is_job:
                self._put("ended", self._waiting)
                self._has_ended = True

    def _begin(self, look: Look) -> int:
        if not look.is_job:
            raise JobNotFound(self._job_id)
        number, began = newest(look), f"{time.time()} {uuid4().hex}".encode()
        while True:
            number += 1
            try:
                self._bucket.create(f"jobs/{self._job_id}/checkpoint.{number}", began)
            except Conflict:
                continue
            self._looks.came(self._job_id, f"checkpoint.{number}")
            return number

    def _write_in_time(self) -> None:
        with self._lock:
            self._timer = None
            if not self._waiting or not self._is_open:
                return
            try:
                self._batches += 1
                self._put(f"{self._batches:06d}", self._waiting)
                self._waiting = b""
            except OSError as error:
                self._error = error

    def _put(self, kind: str, lines: bytes) -> None:
        name = f"checkpoint.{self._number}.{kind}"
        self._bucket.put(f"jobs/{self._job_id}/{name}", lines)
        self._looks.came(self._job_id, name)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
