"""Recordings on their way into an object store: gathered in a file of this machine, and sent once they are whole.

`job.json` is written last, and is the commit: without it there is no job, whatever else lies at its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from worker.store.errors import JobNotFound
from worker.store.files import digest_of, private, take
from worker.store.incoming import MAX_REFERENCES, reference_name
from worker.store.local.partial_source import LocalPartialSource
from worker.store.objects.bucket import Bucket
from worker.store.objects.cache import RecordingCache
from worker.store.objects.looks import Looks
from worker.store.records import JOB, JobRequest, new_job_id

SOURCE = "source"


class ObjectUpload:
    """See Upload. incoming: a directory of this machine. came: called with the job once it is one. again: a job whose
    recording it is, and that recording's size in bytes: the store copies it."""

    def __init__(
        self,
        incoming: Path,
        bucket: Bucket,
        cache: RecordingCache,
        came: Callable[[JobRequest], None],
        again: tuple[str, int] | None = None,
    ) -> None:
        self.id = new_job_id()
        self.size = again[1] if again else 0
        self._again = again[0] if again else ""
        self._bucket = bucket
        self._cache = cache
        self._came = came
        self._references: list[bytes] = []
        self._is_job = False
        self._directory = incoming / self.id
        self._directory.mkdir(mode=0o700)
        self._file: BinaryIO = open(self._directory / SOURCE, "xb", opener=private)  # noqa: SIM115 - closed in the end
        take(self._file)
        self._sum = hashlib.sha256()  # of the recording alone
        self._hash = hashlib.sha256(f"the recording of {self._again}".encode() if again else b"")

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def read(self) -> BinaryIO:
        if not self._again:
            self._file.flush()
            return open(self._directory / SOURCE, "rb")
        with self._cache.open(self._again, SOURCE) as path:
            return open(path, "rb")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._sum.update(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def refer(self, url: str) -> None:
        self._hash.update(f"the recording at {url}".encode())

    def add_reference(self, content: bytes) -> None:
        assert len(self._references) < MAX_REFERENCES
        self._references.append(content)
        self._hash.update(hashlib.sha256(content).digest())

    def commit(self, request: JobRequest) -> None:
        self._file.close()
        names = []
        try:
            if self._again:
                self._bucket.copy(f"jobs/{self._again}/{SOURCE}", self._key(SOURCE))
                names.append(SOURCE)
            elif self.size:
                self._bucket.upload(self._key(SOURCE), self._directory / SOURCE, self._sum.hexdigest())
                names.append(SOURCE)
            for number, content in enumerate(self._references):
                self._bucket.put(self._key(reference_name(number)), content)
                names.append(reference_name(number))
            self._bucket.put(self._key(JOB.name), JOB.dump(request))
        except BaseException:
            self._bucket.delete([self._key(name) for name in (JOB.name, *names)])
            raise
        self._is_job = True
        self._came(request)
        if self.size and not self._again:
            self._cache.take_in(self.id, SOURCE, self._directory / SOURCE)

    def discard(self) -> None:
        with suppress(OSError):  # what it still held does not fit on a full disk, and is not wanted
            self._file.close()
        (self._directory / SOURCE).unlink(missing_ok=True)
        if self._directory.exists():
            self._directory.rmdir()

    def _key(self, name: str) -> str:
        return f"jobs/{self.id}/{name}"


class ObjectPartialSource:
    """See PartialSource. The part that has come stays on this machine; another worker's begins anew."""

    def __init__(self, fetching: Path, job_id: str, bucket: Bucket, cache: RecordingCache, looks: Looks) -> None:
        self._directory = fetching / job_id
        self._job_id = job_id
        self._bucket = bucket
        self._cache = cache
        self._looks = looks
        self._held = ExitStack()
        self._part = LocalPartialSource(self._directory / SOURCE)

    @property
    def size(self) -> int:
        return self._part.size

    @property
    def validator(self) -> str:
        return self._part.validator

    def __enter__(self) -> ObjectPartialSource:
        self._require()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held.enter_context(self._part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def begin(self, validator: str) -> None:
        self._part.begin(validator)

    def write(self, chunk: bytes) -> None:
        self._part.write(chunk)

    def complete(self) -> None:
        self._part.complete()
        path = self._directory / SOURCE
        try:
            self._require()
            self._bucket.upload(f"jobs/{self._job_id}/{SOURCE}", path, digest_of(path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._looks.came(self._job_id, SOURCE)
        self._cache.take_in(self._job_id, SOURCE, path)

    def _require(self) -> None:
        try:
            is_job = self._looks.look(self._job_id).is_job
        except JobNotFound:
            is_job = False
        if not is_job:
            raise FileNotFoundError(self._job_id)
