"""What an object store has of recordings, and as files of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from worker.store.errors import JobNotFound
from worker.store.files import digest_of
from worker.store.incoming import MAX_REFERENCES, reference_name
from worker.store.objects.bucket import Bucket
from worker.store.objects.cache import RecordingCache
from worker.store.objects.incoming import SOURCE, ObjectPartialSource
from worker.store.objects.looks import Looks
from worker.store.objects.records import FRESH, ObjectRecords

PLAYABLE = "playable"
REFERENCES = "reference."  # how their names begin


class ObjectRecordings:
    """The part of JobStore that is about recordings. directory: of this machine alone."""

    def __init__(self, bucket: Bucket, directory: Path) -> None:
        self.bucket = bucket
        self._incoming, self._fetching = directory / "incoming", directory / "fetching"
        self._playable = directory / "playable"
        for each in (self._incoming, self._fetching, self._playable):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cache = RecordingCache(directory, bucket)
        self._looks = Looks(bucket)
        self._records = ObjectRecords(bucket, self._looks)

    def source_size(self, job_id: str) -> int | None:
        return self._size(job_id, SOURCE)

    def local_source(self, job_id: str) -> AbstractContextManager[Path]:
        return self._local(job_id, SOURCE)

    def local_reference(self, job_id: str, number: int) -> AbstractContextManager[Path]:
        return self._local(job_id, reference_name(number))

    def fetched_source(self, job_id: str) -> ObjectPartialSource:
        self._records.key(job_id, "")
        return ObjectPartialSource(self._fetching, job_id, self.bucket, self._cache, self._looks)

    def drop_source(self, job_id: str) -> None:
        self._drop(job_id, [SOURCE, PLAYABLE, *self._looks.look(job_id, FRESH).begins(REFERENCES)])
        self._drop_kept(job_id)

    def playable_size(self, job_id: str) -> int | None:
        return self._size(job_id, PLAYABLE)

    def local_playable(self, job_id: str) -> AbstractContextManager[Path]:
        return self._local(job_id, PLAYABLE)

    def playable_target(self, job_id: str) -> Path:
        return self._playable / self._records.key(job_id, "").split("/")[1]

    def keep_playable(self, job_id: str) -> None:
        path = self.playable_target(job_id)
        try:
            self._records.require(job_id)
            self.bucket.upload(self._records.key(job_id, PLAYABLE), path, digest_of(path))
            self._cache.take_in(job_id, PLAYABLE, path)
        except JobNotFound:
            raise FileNotFoundError(job_id) from None
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _local(self, job_id: str, name: str) -> Iterator[Path]:
        self._records.key(job_id, name)
        with self._cache.open(job_id, name) as path:
            yield path

    def bound_playables(self, most: int) -> None:
        copies = [entry for entry in self.bucket.list("jobs/") if entry.name.endswith(f"/{PLAYABLE}")]
        total = sum(entry.size for entry in copies)
        for entry in sorted(copies, key=lambda each: each.changed_at):
            if total <= most:
                return
            job_id = entry.name.partition("/")[0]
            self._drop(job_id, [PLAYABLE])
            total -= entry.size

    def _drop_kept(self, job_id: str) -> None:
        """What this machine keeps of its recordings."""
        self._cache.drop(job_id, (SOURCE, PLAYABLE, *map(reference_name, range(MAX_REFERENCES))))

    def _size(self, job_id: str, name: str) -> int | None:
        entry = self.bucket.entry(self._records.key(job_id, name))
        return entry.size if entry else None

    def _drop(self, job_id: str, names: list[str]) -> None:
        self.bucket.delete([self._records.key(job_id, name) for name in names])
        self._looks.went(job_id, names)
