"""Brings the recording of a job that has a URL into the store: a step of the job, in slots of its own, so that a slow
source holds up neither the model nor other jobs."""

from __future__ import annotations

from collections.abc import Callable

from worker.outbound.download import Downloader, SourceAway
from worker.store.incoming import PartialSource, PartTaken
from worker.store.job_store import JobStore
from worker.store.records import JobError, JobRequest


class FetchSetback(Exception):
    """The recording could not be fetched now. has_progressed: whether there is more of it than before. is_ours: whether
    it is for want of room here, or another worker is at it, which is nobody's fault and ends no job."""

    def __init__(self, cause: JobError, *, has_progressed: bool = False, is_ours: bool = False) -> None:
        super().__init__(cause.message)
        self.cause = cause
        self.has_progressed = has_progressed
        self.is_ours = is_ours


class Fetcher:
    """min_free: bytes of disk that stay free."""

    def __init__(self, store: JobStore, downloader: Downloader, min_free: int) -> None:
        self._store = store
        self._downloader = downloader
        self._min_free = min_free

    def has_to_fetch(self, request: JobRequest) -> bool:
        return bool(request.url) and self._store.source_size(request.id) is None

    def fetch(self, request: JobRequest, check: Callable[[], None]) -> None:
        """Raises FetchSetback, SourceRefused, FileNotFoundError if the job is gone, and what check raises."""
        try:
            with self._store.fetched_source(request.id) as part:
                self._fill(part, request.url, check)
        except PartTaken:
            cause = JobError("url_unreachable", "Another worker is fetching the recording.")
            raise FetchSetback(cause, is_ours=True) from None

    def _fill(self, part: PartialSource, url: str, check: Callable[[], None]) -> None:
        before = part.size if part.validator else 0
        try:
            self._downloader.download(url, _Roomy(part, self._check_room), check)
        except SourceAway as error:
            cause = JobError(error.code, str(error))
            raise FetchSetback(cause, has_progressed=0 < before < part.size) from None
        part.complete()

    def _check_room(self, more: int) -> None:
        if self._store.free_bytes() - more < self._min_free:
            message = "The server's disk is full. The recording is fetched once there is room in WHISPER_DATA_DIR."
            raise FetchSetback(JobError("storage_full", message), is_ours=True)


class _Roomy:
    """A sink that asks for room before it takes anything."""

    def __init__(self, part: PartialSource, check_room: Callable[[int], None]) -> None:
        self._part = part
        self._check_room = check_room

    @property
    def size(self) -> int:
        return self._part.size

    @property
    def validator(self) -> str:
        return self._part.validator

    def begin(self, validator: str) -> None:
        self._part.begin(validator)

    def write(self, chunk: bytes) -> None:
        self._check_room(len(chunk))
        self._part.write(chunk)
