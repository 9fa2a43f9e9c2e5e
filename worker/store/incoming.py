"""A recording on its way into the store: sent by a client, or fetched by a worker."""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Protocol

from worker.store.records import JobRequest

MAX_REFERENCES = 4  # recordings of known speakers


def reference_name(number: int) -> str:
    """What a known speaker's recording is called, beside the source. number: from 0."""
    return f"reference.{number}"


class Upload(Protocol):
    """A recording on its way in. `discard` after `commit` does nothing. digest: SHA-256 of what was written, or of
    which job's recording it is."""

    id: str
    size: int

    @property
    def digest(self) -> str: ...

    def read(self) -> BinaryIO:
        """What has come so far, as a file of its own; close it."""
        ...

    def write(self, chunk: bytes) -> None: ...

    def refer(self, url: str) -> None:
        """The recording is at this URL, and comes once it is a job."""
        ...

    def add_reference(self, content: bytes) -> None:
        """A known speaker's, once the recording is whole. One after the other."""
        ...

    def commit(self, request: JobRequest) -> None:
        """After this the job survives a loss of power."""
        ...

    def discard(self) -> None: ...


class PartTaken(Exception):
    """Another process is fetching the same recording."""


class PartialSource(Protocol):
    """A job's recording while it is fetched. Of all processes one has it at a time: use it in a `with` block, which
    raises PartTaken, or FileNotFoundError if the job is gone. size: bytes so far; validator: see
    worker.outbound.download."""

    @property
    def size(self) -> int: ...

    @property
    def validator(self) -> str: ...

    def __enter__(self) -> PartialSource: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, validator: str) -> None:
        """Drops what there is."""
        ...

    def write(self, chunk: bytes) -> None: ...

    def complete(self) -> None:
        """Makes it the job's recording. Raises FileNotFoundError if the job is gone."""
        ...
