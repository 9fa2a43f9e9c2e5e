"""The application as a whole: what every answer carries, what its documents say."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.__main__ import Server, _config, main
from api.http.connections import Limits
from tests.unit.api_service import Running, api_settings, assert_error, serving, until
from worker.runtime.timing import Timing


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"NATIVE_WHISPER_PORT": "many"}, "NATIVE_WHISPER_PORT: Input should be a valid integer"),
        ({"WHISPER_API_KEYS": "sk-secret-key"}, "WHISPER_API_KEYS: entry 1 is not of the form name:key"),
        ({"WHISPER_BEAM_SIZE": "0"}, "WHISPER_BEAM_SIZE: "),
        ({}, "WHISPER_REDIS_URL"),
    ],
)
def test_bad_settings_end_the_start_with_their_names(
    environment: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WHISPER_REDIS_URL", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main() == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert "sk-secret-key" not in shown


def test_the_server_trusts_no_proxy_and_logs_no_query() -> None:
    config = _config(FastAPI(), api_settings(port=9123), Timing(), Limits())
    assert (config.port, config.proxy_headers, config.server_header, config.access_log) == (9123, False, False, False)


@pytest.mark.asyncio
async def test_every_answer_carries_an_id_and_safe_headers(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        ids = set()
        for path in ("/", "/health", "/v1/models", "/v1/nothing", "/rq/", "/openapi.json", "/v1/jobs/x/audio"):
            headers = (await running.client.get(path)).headers
            ids.add(headers["x-request-id"])
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert len(ids) == 7


@pytest.mark.asyncio
async def test_there_are_no_pages_that_load_from_elsewhere(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        assert_error(await running.client.get("/redoc"), 404, "not_found")  # /docs: routes/test_documentation.py
        assert_error(await running.client.put("/v1/jobs"), 405, "method_not_allowed")
        document = (await running.client.get("/openapi.json")).json()
        form = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert {"file", "metadata", "timestamp_granularities[]"} <= set(form["properties"])


@pytest.mark.asyncio
async def test_the_log_has_the_path_and_never_the_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api.http.access")
    async with serving(tmp_path, api_keys={"ann": "sk-ann-0123456789"}) as running:
        await running.client.get("/v1/models?api_key=sk-ann-0123456789", headers={"authorization": "Bearer sk-wrong"})
    assert "GET '/v1/models'" in caplog.text
    assert " 401 " in caplog.text
    assert "sk-" not in caplog.text


@asynccontextmanager
async def listening(running: Running) -> AsyncIterator[str]:
    """The application behind a real server on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(running.app, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = Server(config, running.service.waiters)
    serves = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        server._woken.set()  # as a signal does
        await serves


async def endless(pieces: int) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield bytes(65_536)


@pytest.mark.asyncio
async def test_a_client_that_still_sends_can_read_why_it_is_refused(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"api_keys": {"ann": "sk-ann-0123456789"}, "max_upload_mb": 1}
    good, wrong = ({"authorization": f"Bearer {key}"} for key in ("sk-ann-0123456789", "wrong"))
    async with serving(tmp_path, **settings) as running, listening(running) as url, client(url) as http:
        response = await http.post("/v1/jobs", files={"file": bytes(20_000_000)}, headers=wrong)
        assert_error(response, 401, "invalid_api_key")
        assert response.headers["connection"] == "close"
        response = await http.post("/v1/jobs", files={"file": bytes(20_000_000)}, headers=good)
        assert_error(response, 413, "file_too_large", "file")
        kind = {"content-type": "audio/wav"}
        response = await http.post("/v1/jobs", content=endless(300), headers=good | kind)  # without a length
        assert_error(response, 413, "file_too_large", "file")
        response = await http.post("/v1/nothing", content=endless(100), headers=good | kind)
        assert_error(response, 404, "not_found")
        assert running.leftovers() == []


@pytest.mark.asyncio
async def test_stopping_sends_waiting_clients_away_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        async with listening(running) as url:
            http = client(url)
            files = {"file": b"RIFF"}
            call = asyncio.create_task(http.post("/v1/audio/transcriptions", data={"model": "base"}, files=files))
            await until(running.job_ids)
        assert_error(await call, 503, "shutting_down")
        await http.aclose()


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)
