"""The dashboard shows the queues to those who may see them, and changes nothing unless it is allowed to."""

from __future__ import annotations

import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from rq import Worker

from tests.unit.api_service import WAV, assert_error, serving

pytestmark = pytest.mark.asyncio
CHANGES = [
    ("POST", "/rq/queue/batch/queued/empty"),
    ("POST", "/rq/queue/batch/compact"),
    ("POST", "/rq/requeue/batch"),
    ("GET", "/rq/requeue/batch"),
    ("DELETE", "/rq/"),
]


async def test_it_shows_the_queues(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.add_job(filename="secret.m4a")
        page = await running.client.get("/rq", follow_redirects=True)
        assert page.status_code == 200
        assert 'href="/rq/static/css/' in page.text
        assert (await running.client.get("/rq/static/css/main.css")).status_code == 200
        queues = (await running.client.get("/rq/0/data/queues.json")).json()["queues"]
        assert [(queue["name"], queue["count"]) for queue in queues] == [("batch", 1)]
        jobs = (await running.client.get("/rq/0/data/jobs/batch/queued/8/asc/1.json")).json()["jobs"]
        assert jobs[0]["description"].endswith("base")
        assert "secret" not in jobs[0]["description"], "every key may look at the dashboard"


async def test_it_is_read_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.add_job()
        headers = {"origin": "http://localhost:9001"}
        for method, path in CHANGES:
            response = await running.client.request(method, path, headers=headers)
            assert "WHISPER_DASHBOARD_WRITE" in assert_error(response, 403, "dashboard_read_only")
        assert running.redis.llen("rq:queue:batch") == 1


async def test_where_writing_is_allowed_only_its_own_pages_may(tmp_path: Path) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        job = running.add_job()
        path, record = f"/rq/job/{job.id}/delete", f"rq:job:{job.id}"
        for headers in ({}, {"origin": "http://localhost:3000"}):
            assert_error(await running.client.post(path, headers=headers), 403, "origin_not_allowed")
        assert_error(await running.client.get("/rq/requeue/batch"), 403, "origin_not_allowed")
        assert running.redis.exists(record)
        response = await running.client.post(path, headers={"origin": "http://localhost:9001"})
        assert response.json() == {"status": "OK"}
        assert not running.redis.exists(record)


async def test_what_a_record_holds_cannot_become_a_part_of_its_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = (await running.client.post("/v1/jobs", files={"file": ("a.wav", WAV)})).json()
        running.redis.hset(f"rq:job:{job['id']}", "description", "<img src=x onerror=alert(1)>")
        shown = (await running.client.get(f"/rq/0/data/job/{job['id']}.json")).json()
        assert "&lt;img src=x" in shown["description"]


class Bomb:
    """Makes a folder as it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = str(canary)

    def __reduce__(self) -> Any:
        return os.mkdir, (self._canary,)


PAGES = [
    ("GET", "/rq/0/view/job/{id}"),
    ("GET", "/rq/0/data/job/{id}.json"),
    ("GET", "/rq/0/data/jobs/batch/queued/8/asc/1.json"),
    ("GET", "/rq/0/data/jobs/batch/failed/8/asc/1.json"),
    ("GET", "/rq/0/data/workers.json"),
    ("POST", "/rq/requeue/batch"),
    ("POST", "/rq/job/{id}/requeue"),
    ("POST", "/rq/job/{id}/delete"),
]


@pytest.mark.parametrize(("method", "path"), PAGES)
async def test_no_page_unpickles_what_a_record_holds(tmp_path: Path, method: str, path: str) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        job_id, canary = running.add_job().id, tmp_path / "canary"
        bomb = pickle.dumps(Bomb(canary))
        running.redis.hset(f"rq:job:{job_id}", mapping={"data": zlib.compress(bomb), "meta": bomb, "result": bomb})
        running.redis.zadd("rq:failed:batch", {job_id: 4e9})
        worker = Worker(["batch"], "busy", connection=running.redis)
        worker.register_birth()  # type: ignore[no-untyped-call]  # RQ has no types here
        running.redis.sadd(worker.executions_key, f"{job_id}:1")
        running.redis.hset(f"rq:execution:{job_id}:1", mapping={"job_id": job_id, "created_at": 1, "last_heartbeat": 1})
        assert worker.get_current_job_id() == job_id
        try:
            await running.client.request(method, path.format(id=job_id), headers={"origin": "http://localhost:9001"})
        finally:
            assert not canary.exists()
