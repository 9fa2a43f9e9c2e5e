"""The records of jobs as objects: replaced in one step, changed on condition that nobody else did meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from worker.store.edits.edits import EDITS
from worker.store.errors import JobNotFound, RecordBroken, TranscriptBusy
from worker.store.objects.bucket import BROKEN_OFF, Bucket, Conflict, Content
from worker.store.objects.looks import Looks
from worker.store.record_format import Record, RecordFormat, RecordUnreadable, encoded
from worker.store.records import JOB, NAMES, JobRequest, is_job_id

ANSWERED = "answered"
DELIVERIES = "deliveries."  # how the names of their lines begin
FRESH = 5.0  # seconds: for so long a process may take a job for there that another has deleted
MOMENT = 1.0  # seconds: … or its transcript for unchanged
MOST = 10_000  # requests that are remembered
TRIES = 20  # of a change that others come before
MARK = "taken_back_by"  # of a record that is about to go


class ObjectRecords:
    """See Records."""

    def __init__(self, bucket: Bucket, looks: Looks) -> None:
        self._bucket = bucket
        self._looks = looks
        self._requests: OrderedDict[str, tuple[float, JobRequest]] = OrderedDict()
        self._lock = threading.Lock()

    def key(self, job_id: str, name: str) -> str:
        """Raises JobNotFound for what cannot be the id of a job."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id)
        return f"jobs/{job_id}/{name}"

    def read(self, job_id: str, form: RecordFormat[Record]) -> Record:
        return self._loaded(job_id, form, self._get(job_id, form))

    def replace(self, job_id: str, form: RecordFormat[Record], record: Record) -> None:
        self.require(job_id)
        self._bucket.put(self.key(job_id, form.name), form.dump(record))
        self._looks.came(job_id, form.name)

    def create(self, job_id: str, form: RecordFormat[Record], record: Record) -> bool:
        self.require(job_id)
        try:
            self._bucket.create(self.key(job_id, form.name), form.dump(record))
        except Conflict:
            return False
        self._looks.came(job_id, form.name)
        return True

    def update(
        self, job_id: str, form: RecordFormat[Record], change: Callable[[Record | None], Record], *, mends: bool = False
    ) -> Record:
        self.require(job_id)
        for _ in range(TRIES):
            with suppress(Conflict):
                return self._try_update(job_id, form, change, mends)
        raise TranscriptBusy(job_id)

    def take_back(self, job_id: str, form: RecordFormat[Record], is_meant: Callable[[Record], bool]) -> bool:
        """Whether the record is there and to be removed by this process: of those who would, one has its mark in it.
        A mark that is old is of one that was killed."""
        key = self.key(job_id, form.name)
        try:
            there = self._bucket.get(key)
        except FileNotFoundError:
            return False
        if not is_meant(self._loaded(job_id, form, there)):
            return False
        data = json.loads(there.data)
        if MARK in data and not self._bucket.is_older(key, BROKEN_OFF):
            return False
        try:
            self._bucket.swap(key, encoded({**data, MARK: uuid4().hex}), there.tag)
        except Conflict:
            return False
        return True

    def request(self, job_id: str, within: float = FRESH) -> JobRequest:
        """It never changes; that it is there is known for as long as `within` says, in seconds."""
        with self._lock:
            at, request = self._requests.get(job_id, (float("-inf"), None))
        if request is not None and time.monotonic() - at < within:
            return request
        now = time.monotonic()
        request = self.read(job_id, JOB)
        self.know(request, now)
        return request

    def know(self, request: JobRequest, at: float) -> None:
        """at: monotonic seconds when the job was there."""
        with self._lock:
            self._requests[request.id] = at, request
            self._requests.move_to_end(request.id)
            while len(self._requests) > MOST:
                self._requests.popitem(last=False)

    def forget(self, job_id: str) -> None:
        with self._lock:
            self._requests.pop(job_id, None)

    def require(self, job_id: str) -> None:
        """Raises JobNotFound for a job that is gone."""
        self.key(job_id, "")
        if not self._looks.look(job_id, FRESH).is_job:
            raise JobNotFound(job_id)

    def _try_update(
        self, job_id: str, form: RecordFormat[Record], change: Callable[[Record | None], Record], mends: bool
    ) -> Record:
        key = self.key(job_id, form.name)
        try:
            there = self._bucket.get(key)
        except FileNotFoundError:
            record = change(None)
            self._bucket.create(key, form.dump(record))
        else:
            record = change(self._found(job_id, form, there, mends))
            self._bucket.swap(key, form.dump(record), there.tag)
        self._looks.came(job_id, form.name)
        return record

    def _found(self, job_id: str, form: RecordFormat[Record], there: Content, mends: bool) -> Record | None:
        try:
            return self._loaded(job_id, form, there)
        except RecordBroken:
            if mends:
                return None
            raise

    def _get(self, job_id: str, form: RecordFormat[Record]) -> Content:
        """What few jobs have is not asked for if it was not there a moment ago."""
        key = self.key(job_id, form.name)
        if form.name in (EDITS.name, NAMES.name) and form.name not in self._looks.look(job_id, MOMENT).entries:
            raise JobNotFound(job_id)
        try:
            return self._bucket.get(key)
        except FileNotFoundError:
            raise JobNotFound(job_id) from None

    def _loaded(self, job_id: str, form: RecordFormat[Record], there: Content) -> Record:
        try:
            return form.load(there.data)
        except RecordUnreadable as error:
            raise RecordBroken(job_id, error) from error
