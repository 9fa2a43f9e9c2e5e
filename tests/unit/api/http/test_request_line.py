"""Base URLs, slashes and HEAD as clients have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.http.request_line import meant_path
from tests.unit.api_service import WAV, serving


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/audio/transcriptions", "/v1/audio/transcriptions"),
        ("/audio/translations/", "/v1/audio/translations"),
        ("/v1/v1/audio/transcriptions", "/v1/audio/transcriptions"),
        ("/v1/audio/transcriptions/", "/v1/audio/transcriptions"),
        ("/models", "/v1/models"),
        ("/models/Systran/faster-whisper-base", "/v1/models/Systran/faster-whisper-base"),
        ("/jobs/job_1/transcript", "/v1/jobs/job_1/transcript"),
        ("/health/", "/health"),
        ("/v1/models", "/v1/models"),
        ("/", "/"),
        ("//", "/"),
        ("/jobsite", "/jobsite"),
        ("/v1/nothing", "/v1/nothing"),
        ("*", "*"),
    ],
)
def test_a_path_is_taken_for_the_route_it_means(path: str, meant: str) -> None:
    assert meant_path(path) == meant


@pytest.mark.asyncio
@pytest.mark.parametrize("base", ["", "/v1", "/v1/", "/v1/v1"])
async def test_a_recording_gets_in_under_any_base_url(tmp_path: Path, base: str) -> None:
    async with serving(tmp_path) as running:
        running.then(running.finish)
        answer = await running.client.post(f"{base.rstrip('/')}/audio/transcriptions/", files={"file": WAV})
        assert answer.json()["text"] == "Hello there. Bye now."
        assert (await running.client.get(f"{base.rstrip('/')}/models/")).json()["object"] == "list"


@pytest.mark.asyncio
async def test_head_is_answered_wherever_get_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job, waiting = running.add_job(), running.add_job()
        running.finish(job.id)
        here = f"/v1/jobs/{job.id}"
        for path in ("/", "/health", "/v1/models", "/v1/jobs", here, f"{here}/transcript", f"{here}/audio",
                     f"{here}/events", f"/v1/jobs/{waiting.id}/events", "/openapi.json"):  # fmt: skip
            answer = await running.client.head(path)
            assert (answer.status_code, answer.content) == (200, b""), path
        assert (await running.client.head(here)).headers["content-length"] == (
            (await running.client.get(here)).headers["content-length"]
        )
        assert (await running.client.head("/v1/jobs/job_0")).status_code == 404
        assert (await running.client.head(f"{here}/cancel")).status_code == 405


@pytest.mark.asyncio
async def test_the_dashboards_paths_are_left_as_they_are(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        assert (await running.client.get("/rq")).headers["location"] == "/rq/"
