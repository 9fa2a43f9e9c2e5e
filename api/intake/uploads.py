"""Recordings on their way in: streamed straight into the store, checked while they come, gone if anything fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.http.errors import ApiError, storage_full
from api.http.multipart import FILE_FIELD, MultipartForm, display_name, disposition_name
from api.intake.form_reading import FILENAMES, KNOWN, base_name
from api.settings import ApiSettings
from worker.store.incoming import Upload
from worker.store.job_store import JobStore

BUFFER = 1024 * 1024  # bytes of a recording gathered before a thread writes them
FORM_OVERHEAD = 64 * 1024  # bytes a body may have beyond the largest recording: boundaries and fields
MIN_BYTES = 64 * 1024  # bytes an upload brings in WHISPER_UPLOAD_STALL; less holds a connection open for its own sake


@dataclass(frozen=True, slots=True)
class Received:
    """A whole recording, not yet a job, and the form fields that came with it. filename: for display only. unread: the
    names of query parameters that nobody reads."""

    upload: Upload
    filename: str
    fields: tuple[tuple[str, str], ...]
    unread: tuple[str, ...] = ()


@asynccontextmanager
async def receive(
    request: Request, store: JobStore, settings: ApiSettings, check_name: Callable[[str], None], *, raw: bool = False
) -> AsyncIterator[Received]:
    """The request's recording. What has not become a job when the block ends is removed.

    raw: a body that is the recording itself (audio/*, video/*, application/octet-stream) is taken too, and fields are
    read from the query.
    """
    _check_encoding(request)
    form = None if raw and _is_recording(request) else MultipartForm(_content_type(request), check_name)
    await run_in_threadpool(_check_room, request, store, settings)
    upload = await run_in_threadpool(store.receive)
    try:
        query = _Query.read(request, check_name) if raw else _Query((), tuple(request.query_params.keys()))
        reception = _Reception(request, store, settings, upload, query)
        yield await (reception.of_form(form) if form else reception.of_body())
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(upload.discard)


@dataclass(frozen=True, slots=True)
class _Query:
    """A request's query parameters: those that are fields, and the names of the others."""

    fields: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]

    @classmethod
    def read(cls, request: Request, check_name: Callable[[str], None]) -> _Query:
        pairs = request.query_params.multi_items()
        for name, _ in pairs:
            check_name(name)
        unread = dict.fromkeys(name for name, _ in pairs if base_name(name) not in KNOWN)
        return cls(tuple((name, value) for name, value in pairs if name not in unread), tuple(unread))

    def beside(self, form: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """With the fields of a form, which count where both have one: generated clients send defaults in the query."""
        sent = {base_name(name) for name, value in form if value.strip()}
        return (*(pair for pair in self.fields if base_name(pair[0]) not in sent), *form)


class _Reception:
    """Moves one request's recording into its upload."""

    def __init__(self, request: Request, store: JobStore, settings: ApiSettings, upload: Upload, query: _Query) -> None:
        self._request = request
        self._store = store
        self._settings = settings
        self._upload = upload
        self._query = query

    async def of_form(self, form: MultipartForm) -> Received:
        async for chunk in self._chunks():
            form.feed(chunk)
            if form.waiting >= BUFFER:
                await self._write(form.take())
        await self._write(form.take())
        form.finish()
        return self._received(form.filename, self._query.beside(form.fields))

    async def of_body(self) -> Received:
        waiting = bytearray()
        async for chunk in self._chunks():
            waiting += chunk
            if len(waiting) >= BUFFER:
                await self._write(bytes(waiting))
                waiting.clear()
        await self._write(bytes(waiting))
        return self._received(display_name(_filename(self._request)), self._query.fields)

    def _received(self, filename: str, fields: tuple[tuple[str, str], ...]) -> Received:
        if not self._upload.size:
            raise ApiError("empty_file", "The file is empty (0 bytes). Check that the recording worked.")
        return Received(self._upload, filename, fields, self._query.unread)

    async def _chunks(self) -> AsyncIterator[bytes]:
        stream = self._request.stream()
        stall = self._settings.upload_stall
        received, enough, deadline = 0, MIN_BYTES, time.monotonic() + stall
        while (chunk := await _next(stream, deadline, stall)) is not None:
            received += len(chunk)
            if received > self._settings.max_upload_bytes + FORM_OVERHEAD:
                raise _too_large(self._settings)
            if received >= enough:
                enough, deadline = received + MIN_BYTES, time.monotonic() + stall
            yield chunk

    async def _write(self, data: bytes) -> None:
        if self._upload.size + len(data) > self._settings.max_upload_bytes:
            raise _too_large(self._settings)
        if data:
            await run_in_threadpool(self._write_checked, data)

    def _write_checked(self, data: bytes) -> None:
        if self._store.free_bytes() - len(data) < self._settings.min_free_bytes:
            raise storage_full()
        self._upload.write(data)


async def _next(stream: AsyncGenerator[bytes, None], deadline: float, stall: float) -> bytes | None:
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await anext(stream, None)
    except TimeoutError:
        message = f"The upload brought less than {MIN_BYTES} bytes in {stall:g} seconds and was given up."
        raise ApiError("upload_stalled", message, param=FILE_FIELD) from None


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "")


def _filename(request: Request) -> str:
    """What the recording is called that is a body of its own."""
    named = (request.query_params.get(name) for name in FILENAMES)
    return next(filter(None, named), "") or disposition_name(request.headers.get("content-disposition", ""))


def _check_encoding(request: Request) -> None:
    """Unpacking a stranger's bytes is refused; recordings are compressed by themselves."""
    encodings = ",".join(request.headers.getlist("content-encoding")).lower().split(",")
    if strange := next((name.strip() for name in encodings if name.strip() not in ("", "identity")), None):
        message = f"The request's body is encoded as '{strange[:100]}'. Send it without Content-Encoding, as it is."
        raise ApiError("unsupported_content_encoding", message, headers={"accept-encoding": "identity"})


def _is_recording(request: Request) -> bool:
    kind = _content_type(request).partition(";")[0].strip().lower()
    return kind.startswith(("audio/", "video/")) or kind == "application/octet-stream"


def _check_room(request: Request, store: JobStore, settings: ApiSettings) -> None:
    length = int(request.headers.get("content-length", 0))
    if length > settings.max_upload_bytes + FORM_OVERHEAD:
        raise _too_large(settings)
    if store.free_bytes() - length < settings.min_free_bytes:
        raise storage_full()


def _too_large(settings: ApiSettings) -> ApiError:
    return ApiError(
        "file_too_large",
        f"The upload is larger than this server's limit of {settings.max_upload_mb} MB "
        f"({settings.max_upload_bytes} bytes). Compress or split the recording, or raise WHISPER_MAX_UPLOAD_MB.",
    )
