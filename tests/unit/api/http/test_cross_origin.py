"""What browsers are told about pages of other origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from tests.unit.api_service import WAV, assert_error, serving

KEYS = {"ann": "sk-ann-0123456789"}
BEARER = {"authorization": f"Bearer {KEYS['ann']}"}
APP = "app://obsidian.md"
ASKING = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os"}

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("settings", [{"cors_origins": (APP,)}, {"cors_origins": (APP,), "api_keys": KEYS},
                                      {"cors_origins": ("*",), "api_keys": KEYS}])  # fmt: skip
async def test_a_preflight_is_answered_before_the_key_is_asked_for(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with serving(tmp_path, **settings) as running:
        answer = await running.client.options("/v1/jobs", headers={"origin": APP, **ASKING})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == APP
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
        assert answer.headers["vary"].lower().split(", ") == ["access-control-request-headers", "origin"]
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("settings", [{}, {"api_keys": KEYS}, {"cors_origins": ("https://app.example",)}])
async def test_a_preflight_of_any_other_page_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with serving(tmp_path, **settings) as running:
        answer = await running.client.options("/v1/jobs", headers={"origin": APP, **ASKING})
        assert f"WHISPER_CORS_ORIGINS={APP}" in assert_error(answer, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


async def test_a_page_that_is_let_in_may_read_every_answer(tmp_path: Path) -> None:
    async with serving(tmp_path, cors_origins=(APP,), api_keys=KEYS) as running:
        job = running.add_job(owner="ann")
        for path, headers, status in (
            ("/v1/models", BEARER, 200), (f"/v1/jobs/{job.id}", BEARER, 200), ("/v1/models", {}, 401),
            ("/v1/nothing", BEARER, 404), ("/health", {}, 200), (f"/v1/jobs/{job.id}/audio", BEARER, 200),
        ):  # fmt: skip
            answer = await running.client.get(path, headers={"origin": APP, **headers})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == APP
            assert {"x-request-id", "retry-after", "location"} <= set(
                answer.headers["access-control-expose-headers"].split(", ")
            )
            assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
            assert "Origin" in answer.headers["vary"]


async def test_an_answer_to_anyone_else_says_nothing_of_pages(tmp_path: Path) -> None:
    async with serving(tmp_path, cors_origins=(APP,), api_keys=KEYS) as running:
        for origin in ({}, {"origin": "https://evil.example"}):
            answer = await running.client.get("/health", headers=origin)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_page_of_this_machine_may_read_what_it_may_ask(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        answer = await running.client.get("/v1/models", headers={"origin": "http://localhost:3000"})
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("key", [None, KEYS["ann"]])
async def test_a_foreign_page_is_refused_before_its_upload_is_read(tmp_path: Path, key: str | None) -> None:
    async with serving(tmp_path, api_keys=KEYS if key else {}) as running:
        sent: list[Message] = []

        async def receive() -> Message:
            if not sent:
                pytest.fail("the upload is read before the page is refused")
            return {"type": "http.request", "body": WAV, "more_body": False}  # what the drain throws away

        async def send(message: Message) -> None:
            sent.append(message)

        authorization = [(b"authorization", f"Bearer {key}".encode())] if key else []
        head = [(b"host", b"localhost:9001"), (b"origin", b"https://evil.example"), (b"content-type", b"audio/wav"),
                (b"content-length", str(len(WAV)).encode()), *authorization]  # fmt: skip
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
                 "scheme": "http", "path": "/v1/jobs", "raw_path": b"/v1/jobs", "query_string": b"", "headers": head,
                 "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 9001)}  # fmt: skip
        await running.app(scope, receive, send)
        assert sent[0]["status"] == 403
        assert (running.leftovers(), running.job_ids()) == ([], [])
