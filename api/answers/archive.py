"""Many transcripts as one zip, which is sent as it grows."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator

from api.answers.formats import Rendered
from api.answers.transcript_response import file_name
from worker.store.job_store import JobNotFound
from worker.store.records import JobRequest


def zipped(jobs: Iterable[JobRequest], render: Callable[[JobRequest], Rendered]) -> Iterator[bytes]:
    """Pieces of the archive; one transcript at a time is in memory. A job that is deleted meanwhile is named in a file
    of its own. Blocks: iterate it in a thread."""
    sink, names = _Sink(), _Names()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for job in jobs:
            try:
                rendered = render(job)
                name, body = names.free(file_name(job.filename, rendered.extension)), rendered.body
            except JobNotFound:
                name, body = names.free(f"{job.id}.missing.txt"), f"The job {job.id} was deleted meanwhile.\n".encode()
            archive.writestr(_entry(name, job.created_at), body)
            yield sink.taken()
    yield sink.taken()


def _entry(name: str, created_at: float) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.gmtime(max(created_at, 315_619_200))[:6])  # zip's years begin in 1980
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


class _Names:
    """Names that no two entries share, on systems that ignore case too."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        stem, _, extension = name.rpartition(".")
        number, found = 1, name
        while found.casefold() in self._taken:
            number += 1
            found = f"{stem} ({number}).{extension}"
        self._taken.add(found.casefold())
        return found


class _Sink(io.RawIOBase):
    """What the archive writes to: it holds what was not sent yet, and cannot go back."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are all that zipfile writes
        self._waiting += data
        return len(data)

    def taken(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken
