"""The dashboard shows the queues to those who may see them, and changes nothing unless it is allowed to."""

from __future__ import annotations

import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from rq import Worker

from api.routes import dashboard
from tests.unit.api_service import WAV, Running, assert_error, serving
from worker.queue.job_queue import JobQueue

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


SPELLINGS = ["//requeue/batch", "///requeue//batch", "/./requeue/batch", "/x/../requeue/batch", "/%72equeue/batch",
             "/requeue%2fbatch", "/requeue/batch/", "/REQUEUE/batch", "/static/../requeue/batch"]  # fmt: skip


@pytest.mark.fault(72)
@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_no_spelling_of_a_path_changes_a_thing(tmp_path: Path, path: str, method: str) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        rq = JobQueue(running.redis)
        fail(running, job.id)
        answer = await running.client.request(method, f"http://localhost:9001/rq{path}", follow_redirects=True)
        assert answer.status_code in (403, 404, 405)
        assert failed(running) == [job.id]
        assert rq.length("batch") == 0


@pytest.mark.fault(72)
async def test_what_only_shows_is_named_and_nothing_else_is_shown(tmp_path: Path) -> None:
    """A later version of the dashboard may bring a page that changes something."""
    app = dashboard._flask_app(FakeRedis(), "redis://localhost", may_write=False)
    changing = {rule.endpoint for rule in app.url_map.iter_rules()} - dashboard._SHOWING
    assert {name.partition(".")[2] for name in changing} == {
        "delete_job_view", "requeue_job_view", "requeue_all", "empty_queue", "compact_queue",
    }  # fmt: skip


def fail(running: Running, job_id: str) -> None:
    """As RQ does with a job that failed."""
    running.redis.lrem("rq:queue:batch", 0, job_id)
    running.redis.zadd("rq:failed:batch", {job_id: 9e9})


def failed(running: Running) -> list[str]:
    names: Any = running.redis.zrange("rq:failed:batch", 0, -1)
    return [name.decode() for name in names]
