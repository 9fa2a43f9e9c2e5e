"""Every error a client can see: OpenAI's shape, and the one table from our codes to HTTP status codes."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from worker.jobs.backlog import QueueFull
from worker.store.errors import StoreUnavailable, TranscriptBusy
from worker.store.job_store import JobNotFound
from worker.store.record_format import RecordUnreadable
from worker.store.records import JobError

log = logging.getLogger(__name__)

STATUS: dict[str, int] = {
    # the request
    "invalid_value": 400,
    "missing_required_parameter": 400,
    "unsupported_parameter": 400,
    "unsupported_option": 400,
    "invalid_content_type": 400,
    "invalid_multipart": 400,
    "too_many_fields": 400,
    "field_too_large": 400,
    "bad_request": 400,
    # the recording
    "empty_file": 400,
    "empty_audio": 400,
    "unsupported_media": 400,
    "no_audio_stream": 422,
    "track_not_found": 400,
    "invalid_speaker_reference": 400,
    "webhook_not_allowed": 422,
    "url_not_allowed": 422,
    "url_not_found": 424,
    "url_refused": 424,
    "url_unreachable": 424,
    "file_too_large": 413,
    "audio_too_long": 413,
    "uri_too_long": 414,
    "unsupported_content_encoding": 415,
    "headers_too_large": 431,
    # access
    "invalid_api_key": 401,
    "host_not_allowed": 403,
    "origin_not_allowed": 403,
    "dashboard_read_only": 403,
    # what is asked for
    "not_found": 404,
    "model_not_found": 404,
    "job_not_found": 404,
    "peaks_not_found": 404,
    "method_not_allowed": 405,
    "upload_stalled": 408,
    "job_not_finished": 409,
    "job_already_ended": 409,
    "idempotency_key_in_use": 409,
    "idempotency_key_reused": 422,
    "queue_full": 429,
    "too_many_uploads": 429,
    "too_many_connections": 429,
    "canceled": 409,
    "transcript_changed": 412,
    "precondition_required": 428,
    "no_webhook": 409,
    "audio_deleted": 410,
    "range_not_satisfiable": 416,
    # our side
    "server_error": 500,
    "worker_crashed": 500,
    "out_of_memory": 500,
    "engine_unavailable": 500,
    "redis_unavailable": 503,
    "store_unavailable": 503,
    "overloaded": 503,
    "transcript_busy": 503,
    "shutting_down": 503,
    "sync_timeout": 504,
    "insufficient_storage": 507,
    "storage_full": 507,
}

RETRY_AFTER = 5  # seconds
RETRY_AFTER_FULL = 30  # seconds until a full queue is worth another try; the official SDK heeds up to 120
_ABOUT_THE_FILE = {
    "empty_file", "empty_audio", "unsupported_media", "no_audio_stream", "file_too_large", "audio_too_long",
}  # fmt: skip
_PARAMS = {
    **dict.fromkeys(_ABOUT_THE_FILE, "file"),
    **dict.fromkeys(("url_not_allowed", "url_not_found", "url_refused", "url_unreachable"), "url"),
    "invalid_speaker_reference": "known_speaker_references",
}
# the same request may succeed in a moment
_PASSING = {
    "upload_stalled", "redis_unavailable", "store_unavailable", "overloaded", "shutting_down", "idempotency_key_in_use",
    "transcript_busy", "queue_full", "too_many_uploads", "too_many_connections",
}  # fmt: skip
REDIS_AWAY = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError, NoPermissionError)
# What a Redis says that takes no writes for now, as of a full disk; redis-py has no classes for these.
_REFUSES = re.compile(r"(?:^|caused error: )(?:MISCONF|NOREPLICAS|CLUSTERDOWN|MASTERDOWN|BUSY) ")


class ApiError(Exception):
    """An answer other than 2xx: a code of the table, a message that says what to do, the parameter it is about.

    A client is told not to try again unless the failure passes by itself (`passing`): the official SDK would send
    the whole recording again.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        passing: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS.get(code, 500)
        self.param = param or _PARAMS.get(code)
        self.headers = dict(headers or {})
        if not (code in _PASSING if passing is None else passing):
            self.headers["x-should-retry"] = "false"
        elif self.status in (409, 429, 503):
            self.headers.setdefault("retry-after", str(RETRY_AFTER))

    @classmethod
    def of_job(cls, error: JobError | None) -> ApiError:
        """What a failed job answers if its transcript was asked for."""
        if error is None:
            return cls("server_error", "The job failed. See the server's log.")
        return cls(error.code, error.message)

    def body(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


Shape = Callable[[ApiError], dict[str, Any]]


def shaped(shape: Shape) -> Callable[[Request], Awaitable[None]]:
    """A dependency of routes whose clients know errors in another shape than OpenAI's."""

    async def remember(request: Request) -> None:
        request.state.error_shape = shape

    return remember


def _answer(request: Request, error: ApiError) -> Response:
    shape: Shape | None = getattr(request.state, "error_shape", None)
    return JSONResponse(shape(error), error.status, error.headers) if shape else error.response()


def unexpected() -> ApiError:
    """The answer to what nobody foresaw; the log has the rest."""
    return ApiError("server_error", "Something went wrong on the server; its log says what.", passing=True)


def record_unreadable(error: RecordUnreadable) -> ApiError:
    """The answer for a job that is there and whose record is damaged, or of a newer version."""
    log.error("%s", error)
    return ApiError("server_error", str(error), param="id")


def redis_unavailable() -> ApiError:
    return ApiError("redis_unavailable", "The job queue (Redis) does not answer. Try again in a few seconds.")


def store_unavailable() -> ApiError:
    return ApiError("store_unavailable", "The store of the jobs does not answer. Try again in a few seconds.")


def overloaded(short_of: str = "it cannot open more files or connections") -> ApiError:
    return ApiError("overloaded", f"The server is busy: {short_of}. Try again in a moment.")


def shortage(error: BaseException | None) -> ApiError | None:
    """What to answer if the error says that this process gets no more of what the system shares out."""
    number = getattr(error, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE):
        return overloaded()
    is_memory = isinstance(error, MemoryError) or number == errno.ENOMEM or "can't start new thread" in str(error)
    return overloaded("it is short of memory") if is_memory else None


def storage_full() -> ApiError:
    return ApiError(
        "insufficient_storage", "The server's disk is full. Delete old jobs or make room in WHISPER_DATA_DIR."
    )


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(JobNotFound, _on_job_not_found)
    app.add_exception_handler(RecordUnreadable, _on_record_unreadable)
    app.add_exception_handler(QueueFull, _on_queue_full)
    app.add_exception_handler(TranscriptBusy, _on_transcript_busy)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(OSError, _on_os_error)
    for error in REDIS_AWAY:
        app.add_exception_handler(error, _on_redis_away)
    app.add_exception_handler(ResponseError, _on_redis_refusal)


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _answer(request, error)


async def _on_job_not_found(request: Request, error: Exception) -> Response:
    return _answer(request, ApiError("job_not_found", str(error), param="id"))


async def _on_record_unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, RecordUnreadable)
    return _answer(request, record_unreadable(error))


async def _on_queue_full(request: Request, error: Exception) -> Response:
    return _answer(request, ApiError("queue_full", str(error), headers={"retry-after": str(RETRY_AFTER_FULL)}))


async def _on_transcript_busy(request: Request, error: Exception) -> Response:
    return _answer(request, ApiError("transcript_busy", str(error), param="id"))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = str(first["loc"][-1])
    code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
    return ApiError(code, f"'{param}': {first['msg']}.", param=param).response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _of_status(request, error)
    return JSONResponse(answer.body(), error.status_code, {**answer.headers, **(error.headers or {})})


def _of_status(request: Request, error: HTTPException) -> ApiError:
    if error.status_code == 404:
        return ApiError("not_found", f"There is nothing at {request.url.path}. GET /openapi.json lists what there is.")
    if error.status_code == 405:
        return ApiError("method_not_allowed", f"{request.method} is not possible at {request.url.path}.")
    if error.status_code == 413:
        return ApiError("file_too_large", str(error.detail))
    return ApiError("server_error" if error.status_code >= 500 else "bad_request", str(error.detail))


async def _on_redis_away(request: Request, error: Exception) -> Response:
    log.warning("Redis does not answer: %s", error)
    return _answer(request, redis_unavailable())


async def _on_redis_refusal(request: Request, error: Exception) -> Response:
    if not _REFUSES.search(str(error)):
        raise error  # a command of ours that is wrong
    log.warning("Redis takes no writes: %s", error)
    return _answer(request, redis_unavailable())


async def _on_os_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if refusal := shortage(error):
        log.error("%s (%s)", refusal.message, error.strerror)
        return _answer(request, refusal)
    if isinstance(error, StoreUnavailable):
        log.error("%s", error.strerror)
        return _answer(request, store_unavailable())
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    log.error("The disk is full: %s", error)
    return _answer(request, storage_full())
