"""One table of statuses, one shape for every error."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Query
from redis.exceptions import ConnectionError, NoPermissionError, OutOfMemoryError, ResponseError, TimeoutError
from starlette.middleware import Middleware

import engines.errors
from api.http.access_log import AccessLog
from api.http.errors import STATUS, ApiError, add_error_handlers
from engines.errors import EngineError
from tests.unit.api_service import assert_error
from worker.store.errors import StoreUnavailable
from worker.store.job_store import JobNotFound
from worker.store.records import JobError


def engine_codes(base: type[EngineError] = EngineError) -> Iterator[str]:
    yield base.code
    for error in base.__subclasses__():
        yield from engine_codes(error)


def test_every_engine_error_has_a_status() -> None:
    assert engines.errors.AudioTooLong.code in engine_codes()
    assert set(engine_codes()) - set(STATUS) == set()


@pytest.mark.parametrize(
    ("code", "status"),
    [("empty_audio", 400), ("unsupported_media", 400), ("no_audio_stream", 422), ("audio_too_long", 413),
     ("worker_crashed", 500), ("server_error", 500), ("never_heard_of", 500)],
)  # fmt: skip
def test_a_failed_job_answers_its_codes_status(code: str, status: int) -> None:
    error = ApiError.of_job(JobError(code, "Do this."))
    assert (error.status, error.code, error.message) == (status, code, "Do this.")
    assert error.headers == {"x-should-retry": "false"}


def test_faults_of_the_recording_name_the_file() -> None:
    assert ApiError("unsupported_media", "No.").param == "file"
    assert ApiError("worker_crashed", "No.").param is None


def test_what_passes_may_be_tried_again() -> None:
    assert ApiError("redis_unavailable", "Wait.").headers == {"retry-after": "5"}
    assert "x-should-retry" in ApiError("sync_timeout", "Long.").headers


RAISED: list[tuple[Exception, int, str, str | None]] = [
    (ApiError("model_not_found", "There is no such model.", param="model"), 404, "model_not_found", "model"),
    (JobNotFound("job_1"), 404, "job_not_found", "id"),
    (ConnectionError("refused"), 503, "redis_unavailable", None),
    (TimeoutError("slow"), 503, "redis_unavailable", None),
    (OutOfMemoryError("full"), 503, "redis_unavailable", None),
    (NoPermissionError("User default has no permissions"), 503, "redis_unavailable", None),
    (ResponseError("Command # 1 (X) of pipeline caused error: MISCONF No space left"), 503, "redis_unavailable", None),
    (StoreUnavailable(errno.EIO, "secret"), 503, "store_unavailable", None),
    (OSError(errno.ENOSPC, "No space left"), 507, "insufficient_storage", None),
    (OSError(errno.EMFILE, "Too many open files"), 503, "overloaded", None),
    (OSError(errno.ENOMEM, "secret"), 503, "overloaded", None),
    (MemoryError("secret"), 503, "overloaded", None),
    (RuntimeError("can't start new thread"), 503, "overloaded", None),
    (ResponseError("WRONGTYPE"), 500, "server_error", None),
    (FileNotFoundError("secret.txt"), 500, "server_error", None),
    (RuntimeError("secret"), 500, "server_error", None),
]


@pytest.mark.fault(200)
@pytest.mark.asyncio
@pytest.mark.parametrize("raised", RAISED, ids=lambda row: f"{row[0]!r}-{row[1]}")
async def test_whatever_is_raised_has_openais_shape(raised: tuple[Exception, int, str, str | None]) -> None:
    error, status, code, param = raised
    response = await answer(error)
    assert "secret" not in assert_error(response, status, code, param)
    assert ("retry-after" in response.headers) == (status == 503)
    assert ("x-should-retry" in response.headers) == (status not in (500, 503))


@pytest.mark.asyncio
async def test_validation_and_routing_errors_have_openais_shape() -> None:
    assert "100" in assert_error(await answer(path="/v1/many?limit=101"), 400, "invalid_value", "limit")
    assert_error(await answer(path="/v1/many"), 400, "missing_required_parameter", "limit")
    assert "/v1/nothing" in assert_error(await answer(path="/v1/nothing"), 404, "not_found")
    response = await answer(path="/v1/raise", method="PUT")
    assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


async def answer(error: Exception | None = None, path: str = "/v1/raise", method: str = "GET") -> httpx.Response:
    app = FastAPI(middleware=[Middleware(AccessLog)])
    add_error_handlers(app)

    @app.get("/v1/raise")
    async def fail() -> None:
        assert error is not None
        raise error

    @app.get("/v1/many")
    async def many(limit: int = Query(le=100)) -> int:
        return limit

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.request(method, path)
