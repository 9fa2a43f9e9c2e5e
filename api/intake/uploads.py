"""Recordings on their way in: streamed straight into the store, checked while they come, gone if anything fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.http.errors import ApiError, storage_full
from api.http.fields import Fields
from api.http.multipart import FILE_FIELD, MAX_FIELD_BYTES, MultipartForm, display_name, disposition_name, no_form
from api.intake.form_reading import FILENAMES, KNOWN, base_name
from api.intake.speakers.references import MAX_REFERENCES, MAX_URL
from api.settings import ApiSettings
from worker.store.incoming import Upload
from worker.store.job_store import JobStore
from worker.store.upload_limits import MIN_BYTES

URL_FIELD = "url"
BUFFER = 1024 * 1024  # bytes of a recording gathered before a thread writes them
FORM_OVERHEAD = 64 * 1024  # bytes a body may have beyond the largest recording: boundaries and fields …
LARGE_FIELDS = {"known_speaker_references": MAX_REFERENCES * MAX_URL + FORM_OVERHEAD}  # … and bytes of these

Pairs = tuple[tuple[str, str], ...]


def _as_they_are(pairs: Pairs) -> Pairs:
    return pairs


def _nothing(query: Pairs, beginning: bytes) -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a route's clients say things: by default as OpenAI's.

    file_field: the field with the recording. of_query: names of fields that are read from the query too. is_raw:
    whether a body may be the recording itself. has_urls: whether `url` may stand for it. own: the fields in our words.
    preamble: what has to stand before a recording, by the query's fields and its first bytes. name_field: says what the
    recording is called, if its part of the form does not. may_lack_speakers: whether a server that
    cannot diarize ignores a request for speakers instead of refusing it: some clients always ask.
    """

    file_field: str = FILE_FIELD
    of_query: frozenset[str] = frozenset()
    is_raw: bool = False
    has_urls: bool = True
    own: Callable[[Pairs], Pairs] = _as_they_are
    preamble: Callable[[Pairs, bytes], bytes] = _nothing
    name_field: str = ""
    may_lack_speakers: bool = False


OPENAI = Dialect()
JOBS = Dialect(of_query=KNOWN, is_raw=True)


@dataclass(frozen=True, slots=True)
class Received:
    """A whole recording, not yet a job, and the form fields that came with it. filename: for display only. unread: the
    names of query parameters that nobody reads. url: where the recording is, if it was not sent."""

    upload: Upload
    filename: str
    fields: Pairs
    unread: tuple[str, ...] = ()
    url: str = ""


@asynccontextmanager
async def receive(
    request: Request, store: JobStore, settings: ApiSettings, dialect: Dialect = OPENAI
) -> AsyncIterator[Received]:
    """The request's recording, or its URL. What has not become a job when the block ends is removed."""
    _check_encoding(request)
    form = _form(request, dialect)
    await run_in_threadpool(_check_room, request, store, settings, form is not None)
    upload = await run_in_threadpool(store.receive)
    try:
        query = _Query.read(request, dialect.of_query)
        reception = _Reception(request, store, settings, upload, query, dialect)
        if form:
            yield await reception.of_form(form)
        elif dialect.is_raw and _is_recording(request):
            yield await reception.of_body()
        else:
            yield await reception.of_fields()
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(upload.discard)


@dataclass(frozen=True, slots=True)
class _Query:
    """A request's query parameters: those that are fields, and the names of the others."""

    fields: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]

    @classmethod
    def read(cls, request: Request, known: frozenset[str]) -> _Query:
        pairs = request.query_params.multi_items()
        unread = dict.fromkeys(name for name, _ in pairs if base_name(name) not in known)
        return cls(tuple((name, value) for name, value in pairs if name not in unread), tuple(unread))

    def beside(self, form: list[tuple[str, str]]) -> Pairs:
        """With the fields of a form, which count where both have one: generated clients send defaults in the query."""
        sent = {base_name(name) for name, value in form if value.strip()}
        return (*(pair for pair in self.fields if base_name(pair[0]) not in sent), *form)


class _Reception:
    """Moves one request's recording into its upload."""

    def __init__(
        self,
        request: Request,
        store: JobStore,
        settings: ApiSettings,
        upload: Upload,
        query: _Query,
        dialect: Dialect,
    ) -> None:
        self._dialect = dialect
        self._request = request
        self._store = store
        self._settings = settings
        self._upload = upload
        self._query = query

    async def of_form(self, form: MultipartForm) -> Received:
        async for chunk in self._chunks(lambda: form.large_bytes):
            form.feed(chunk)
            if form.waiting >= BUFFER:
                await self._write(form.take())
        await self._write(form.take())
        form.finish()
        fields = self._query.beside(form.fields)
        if not form.has_file and not self._url(fields):
            raise form.missing_file()
        return self._received(form.filename, fields)

    async def of_fields(self) -> Received:
        """A form without room for a file, or the query alone: the recording is at a URL."""
        body = bytearray()
        async for chunk in self._chunks():
            body += chunk
            if len(body) > MAX_FIELD_BYTES:
                raise no_form(self._dialect.file_field)
        fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        pairs = self._query.beside(fields)
        if not self._url(pairs):
            raise no_form(self._dialect.file_field)
        return self._received("", pairs)

    async def of_body(self) -> Received:
        waiting = bytearray()
        async for chunk in self._chunks():
            waiting += chunk
            if len(waiting) >= BUFFER:
                await self._write(bytes(waiting))
                waiting.clear()
        await self._write(bytes(waiting))
        return self._received(display_name(_filename(self._request)), self._query.fields)

    def _received(self, filename: str, fields: Pairs) -> Received:
        url = self._url(fields)
        if url and self._upload.size:
            message = "There are both a recording and a 'url'. Send one of them."
            raise ApiError("invalid_value", message, param=URL_FIELD)
        if url:
            filename = display_name(_filename(self._request) or _name_in(url))
        elif not self._upload.size:
            message = "The file is empty (0 bytes). Check that the recording worked."
            raise ApiError("empty_file", message, param=self._dialect.file_field)
        elif self._dialect.name_field and (name := Fields(fields).one(self._dialect.name_field)):
            filename = display_name(name)
        return Received(self._upload, filename, self._dialect.own(fields), self._query.unread, url)

    def _url(self, fields: Pairs) -> str:
        return (Fields(fields).one(URL_FIELD) or "").strip() if self._dialect.has_urls else ""

    async def _chunks(self, large: Callable[[], int] = lambda: 0) -> AsyncIterator[bytes]:
        """large: how many bytes of large fields have come."""
        stream = self._request.stream()
        stall = self._settings.upload_stall
        received, enough, deadline = 0, MIN_BYTES, time.monotonic() + stall
        while (chunk := await _next(stream, deadline, stall)) is not None:
            received += len(chunk)
            if received - large() > self._settings.max_upload_bytes + FORM_OVERHEAD + len(chunk):
                raise _too_large(self._settings)
            if received >= enough:
                enough, deadline = received + MIN_BYTES, time.monotonic() + stall
            yield chunk

    async def _write(self, data: bytes) -> None:
        if data and not self._upload.size:
            data = self._dialect.preamble(self._query.fields, data) + data
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


def _form(request: Request, dialect: Dialect) -> MultipartForm | None:
    """The form that the body is; None if it is the recording itself, or there can be none in it."""
    kind = _content_type(request).partition(";")[0].strip().lower()
    if dialect.is_raw and _is_recording(request):
        return None
    if dialect.has_urls and kind == "application/x-www-form-urlencoded":
        return None
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if not kind and not has_body and URL_FIELD in dialect.of_query and request.query_params.get(URL_FIELD):
        return None
    return MultipartForm(_content_type(request), dialect.file_field, LARGE_FIELDS)


def _name_in(url: str) -> str:
    """What a recording at a URL is called."""
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        return ""


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


def _check_room(request: Request, store: JobStore, settings: ApiSettings, is_form: bool) -> None:
    length = int(request.headers.get("content-length", 0))
    if length > settings.max_upload_bytes + FORM_OVERHEAD + (sum(LARGE_FIELDS.values()) if is_form else 0):
        raise _too_large(settings)
    if store.free_bytes() - length < settings.min_free_bytes:
        raise storage_full()


def _too_large(settings: ApiSettings) -> ApiError:
    return ApiError(
        "file_too_large",
        f"The upload is larger than this server's limit of {settings.max_upload_mb} MB "
        f"({settings.max_upload_bytes} bytes). Compress or split the recording, or raise WHISPER_MAX_UPLOAD_MB.",
    )
