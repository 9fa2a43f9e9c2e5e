"""The dashboard shows the queues to those who may see them, and changes nothing unless it is allowed to."""

from __future__ import annotations

import os
import pickle
import time
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakeredis import FakeRedis
from rq import Worker

from tests.unit.api_service import WAV, Running, assert_error, serving
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.records import Webhook
from worker.webhooks.outbox import Attempt, Outbox

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


OWN_PAGE = {"origin": "http://localhost:9001"}


def list_as(running: Running, job_id: str, state: str) -> None:
    """As a slot does at a job's end."""
    running.redis.lrem("rq:queue:batch", 0, job_id)
    running.redis.hset(f"rq:job:{job_id}", "status", state)
    running.redis.zadd(f"rq:{state}:batch", {job_id: 4e9})


async def press(running: Running, path: str) -> httpx.Response:
    return await running.client.post(f"/rq/{path}", headers=OWN_PAGE)


@pytest.mark.fault(131)
@pytest.mark.parametrize("state", ["failed", "canceled"])
async def test_requeue_runs_a_job_again_under_our_rules(tmp_path: Path, state: str) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        job = running.add_job()
        if state == "failed":
            running.fail(job.id, "server_error")
            list_as(running, job.id, state)
        else:
            await running.client.post(f"/v1/jobs/{job.id}/cancel")
        assert (await press(running, f"job/{job.id}/requeue")).json() == {"status": "OK"}
        shown = (await running.client.get(f"/v1/jobs/{job.id}")).json()
        assert (shown["status"], shown["position"], shown["error"]) == ("queued", 0, None)
        assert running.redis.zcard(f"rq:{state}:batch") == 0
        assert (await running.client.get(f"/rq/0/data/job/{job.id}.json")).json()["status"] == "queued"
        running.redis.lrem("rq:queue:batch", 0, job.id)
        running.finish(job.id)
        assert (await running.client.get(f"/v1/jobs/{job.id}/transcript")).status_code == 200


@pytest.mark.fault(131)
async def test_what_cannot_run_again_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        waiting, finished, silent, held = (running.add_job() for _ in range(4))
        assert_error(await press(running, f"job/{waiting.id}/requeue"), 409, "job_not_finished")
        running.finish(finished.id)
        assert_error(await press(running, f"job/{finished.id}/requeue"), 409, "job_already_ended")
        running.fail(silent.id, "server_error")
        running.store.drop_source(silent.id)
        assert_error(await press(running, f"job/{silent.id}/requeue"), 410, "audio_deleted")
        running.fail(held.id, "server_error")
        running.redis.zadd("rq:wip:batch", {f"{held.id}:1": 4e9})  # a slot has it yet
        assert_error(await press(running, f"job/{held.id}/requeue"), 409, "job_not_finished")
        assert_error(await press(running, "job/job_of_nobody/requeue"), 404, "job_not_found")
        assert running.store.outcome(silent.id) is not None


async def test_a_full_queue_takes_no_requeued_job(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=Timing(backlog=1e-6), dashboard_write=True, max_queued_hours=1.0) as running:
        job = running.add_job(declared_seconds=3000.0)
        running.fail(job.id, "server_error")
        list_as(running, job.id, "failed")
        running.add_job(declared_seconds=3000.0)
        assert_error(await press(running, f"job/{job.id}/requeue"), 429, "queue_full")
        assert running.store.outcome(job.id) is not None


async def test_requeue_all_leaves_out_what_cannot_run_again(tmp_path: Path) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        jobs = [running.add_job() for _ in range(3)]
        for job in jobs:
            running.fail(job.id, "server_error")
            list_as(running, job.id, "failed")
        running.store.drop_source(jobs[0].id)
        assert (await press(running, "requeue/batch")).json() == {"status": "OK", "count": 2}
        assert running.redis.lrange("rq:queue:batch", 0, -1) == [job.id.encode() for job in jobs[1:]]


@pytest.mark.fault(131)
async def test_the_receiver_of_a_requeued_job_is_told_of_its_new_end(tmp_path: Path) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        job = running.add_job(webhook=Webhook("http://127.0.0.1:1/"))
        running.fail(job.id, "server_error")
        outbox = Outbox(running.store)
        outbox.record(job.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
        list_as(running, job.id, "failed")
        await press(running, f"job/{job.id}/requeue")
        running.finish(job.id)
        delivery = outbox.delivery(job)
        assert delivery is not None
        assert (delivery.state, delivery.type) == ("pending", "transcription.completed")
        assert delivery.id == f"evt_{job.id[4:]}_2", "or a receiver would take it for the first"
        outbox.again(job.id)
        delivery = outbox.delivery(job)
        assert delivery is not None
        assert delivery.id == f"evt_{job.id[4:]}_2", "the same message, sent again by hand"


@pytest.mark.fault(131)
async def test_delete_deletes_the_job_and_not_only_its_record_in_rq(tmp_path: Path) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        waiting, failed = running.add_job(owner="anna"), running.add_job()
        running.fail(failed.id, "server_error")
        list_as(running, failed.id, "failed")
        for job in (waiting, failed):
            assert (await press(running, f"job/{job.id}/delete")).json() == {"status": "OK"}
        assert running.job_ids() == []
        assert [key for key in running.redis.scan_iter() if b"job_" in key] == []


@pytest.mark.parametrize("registry", ["queued", "failed"])
async def test_emptying_a_list_deletes_its_jobs(tmp_path: Path, registry: str) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        failed, waiting = running.add_job(), running.add_job()
        running.fail(failed.id, "server_error")
        list_as(running, failed.id, "failed")
        await press(running, f"queue/batch/{registry}/empty")
        assert running.job_ids() == [waiting.id if registry == "failed" else failed.id]
        assert_error(await press(running, "queue/batch/nothing/empty"), 404, "not_found")


async def test_a_job_whose_record_is_damaged_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with serving(tmp_path, dashboard_write=True) as running:
        job = running.add_job()
        (tmp_path / "jobs" / job.id / "job.json").write_text("{")
        for action in ("requeue", "delete"):
            assert job.id in assert_error(await press(running, f"job/{job.id}/{action}"), 500, "server_error", "id")


async def test_each_row_says_how_far_the_job_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job, foreign = running.add_job(declared_seconds=93.0), running.add_job()
        running.redis.hset(f"rq:job:{foreign.id}", "meta", "[1]")
        rows = (await running.client.get("/rq/0/data/jobs/batch/queued/8/asc/1.json")).json()["jobs"]
        assert [row["id"] for row in rows] == [job.id, foreign.id]
        assert (rows[0]["meta"]["progress"], rows[0]["meta"]["total_seconds"]) == (0.0, 93.0)
        assert rows[1]["meta"] == {}


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
    from api.routes import dashboard_pages  # which loads Flask: not in every process that only collects

    app = dashboard_pages._flask_app(FakeRedis(), "redis://localhost", may_write=False)
    changing = {rule.endpoint for rule in app.url_map.iter_rules()} - dashboard_pages._SHOWING
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
