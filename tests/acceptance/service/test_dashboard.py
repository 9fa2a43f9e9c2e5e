"""The rq dashboard shows the jobs there really are, in every state, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests import media, speech
from tests.acceptance.live import LiveService, assert_error, until
from tests.services import Start
from worker.queue.slots import FETCHES

REGISTRIES = ("queued", "started", "finished", "failed", "canceled", "deferred", "scheduled")


@pytest.fixture(scope="module")
def jobs(
    slow: LiveService, talk: speech.Recording, clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A real job in each state; the one that runs goes on for minutes, however busy the machine is."""
    directory = tmp_path_factory.mktemp("jobs")
    broken = media.random_bytes(directory / "random.mp3")
    long_file = media.write(directory / "long.flac", np.tile(talk.samples, 16))
    found = {"finished": slow.submit(clip), "failed": slow.submit(broken)}
    for status, job_id in found.items():
        assert slow.ended(job_id)["status"] == status
    found["canceled"] = slow.submit(long_file)
    slow.in_state(found["canceled"], "started")
    slow.post(f"/v1/jobs/{found['canceled']}/cancel")
    until(lambda: data(slow, f"job/{found['canceled']}")["status"] == "canceled", "the slot has let go of it")
    found["started"] = slow.submit(long_file)
    slow.in_state(found["started"], "started")
    found["queued"] = slow.submit(clip)
    yield found
    for status in ("started", "queued"):
        slow.post(f"/v1/jobs/{found[status]}/cancel")


def data(slow: LiveService, path: str) -> Any:
    response = slow.get(f"/rq/0/data/{path}.json")
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("status", ["started", "queued", "finished", "failed", "canceled"])
def test_each_job_is_in_its_list_and_has_its_page(slow: LiveService, jobs: dict[str, str], status: str) -> None:
    job_id = jobs[status]
    rows = data(slow, f"jobs/batch/{status}/100/asc/1")["jobs"]
    assert job_id in [row["id"] for row in rows]
    assert slow.get(f"/rq/0/view/jobs/batch/{status}/8/asc/1").status_code == 200
    assert slow.get(f"/rq/0/view/job/{job_id}").status_code == 200
    shown = data(slow, f"job/{job_id}")
    assert (shown["id"], shown["status"], shown["origin"]) == (job_id, status, "batch")
    file = slow.job(job_id)["file"]
    assert f"{file['bytes']} bytes" in shown["description"]
    assert file["name"] not in shown["description"], "every key may look at the dashboard"


def test_why_a_job_failed_stands_on_its_page(slow: LiveService, jobs: dict[str, str]) -> None:
    error = slow.job(jobs["failed"])["error"]
    assert data(slow, f"job/{jobs['failed']}")["exc_info"] == f"{error['code']}: {error['message']}"
    assert error["code"] == "unsupported_media"


def test_a_canceled_job_is_no_failure(slow: LiveService, jobs: dict[str, str], clip: Path) -> None:
    waiting = slow.submit(clip)
    slow.post(f"/v1/jobs/{waiting}/cancel")
    for job_id in (waiting, jobs["canceled"]):
        assert data(slow, f"job/{job_id}")["exc_info"] is None
        assert job_id in [row["id"] for row in data(slow, "jobs/batch/canceled/100/asc/1")["jobs"]]
        assert job_id not in [row["id"] for row in data(slow, "jobs/batch/failed/100/asc/1")["jobs"]]


def test_each_job_says_how_far_it_is_and_where_its_transcript_is(slow: LiveService, jobs: dict[str, str]) -> None:
    shown = {status: data(slow, f"job/{job_id}")["meta"] for status, job_id in jobs.items()}
    assert all(meta["model"] == "3" and "file" not in meta for meta in shown.values())
    assert {status: meta["attempts"] for status, meta in shown.items()} == {
        "finished": 1,
        "failed": 1,
        "canceled": 1,
        "started": 1,
        "queued": 0,
    }
    job = slow.job(jobs["finished"])
    assert (shown["finished"]["progress"], shown["finished"]["total_seconds"]) == (1.0, job["total_seconds"])
    assert slow.get(shown["finished"]["transcript"]).status_code == 200
    assert [status for status, meta in shown.items() if "transcript" in meta] == ["finished"]


def test_rq_info_shows_the_same(slow: LiveService, jobs: dict[str, str]) -> None:
    url = (slow.data / "redis" / "redis.url").read_text()
    command = [str(Path(sys.executable).parent / "rq"), "info", "--url", url]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "busy batch" in told
    assert "1 executing" in told


@pytest.fixture(scope="module")
def writable(start_service: Start) -> LiveService:
    """Its dashboard may change jobs, and shows the names of files."""
    return start_service(
        "writable",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="0",
        WHISPER_BATCH_SLOTS="1",
        WHISPER_DASHBOARD_WRITE="true",
        WHISPER_DASHBOARD_FILENAMES="true",
    )


def press(service: LiveService, path: str) -> httpx.Response:
    with service.http(origin=service.url) as client:
        return client.post(f"/rq/{path}")


def test_a_button_is_there_only_if_it_may_be_used(slow: LiveService, writable: LiveService) -> None:
    for registry in REGISTRIES:
        path = f"/rq/0/view/jobs/batch/{registry}/8/asc/1"
        assert "btn-outline" not in slow.get(path).text
        assert "delete-job-btn" in writable.get(path).text
        assert ('"requeue-job-btn"' in writable.get(path).text) == (registry in ("failed", "canceled"))


def test_requeue_runs_a_failed_job_again_and_delete_removes_it(writable: LiveService, tmp_path: Path) -> None:
    job_id = writable.submit(media.random_bytes(tmp_path / "random.mp3"))
    first = writable.ended(job_id)
    until(lambda: data(writable, f"job/{job_id}")["status"] == "failed", "RQ knows")
    assert press(writable, f"job/{job_id}/requeue").json() == {"status": "OK"}
    second = until(lambda: (job := writable.job(job_id))["ended_at"] and job, "it has ended again")
    assert second["status"] == first["status"] == "failed"
    until(lambda: data(writable, f"job/{job_id}")["status"] == "failed", "RQ says the same")
    assert data(writable, f"job/{job_id}")["meta"]["file"] == "random.mp3"
    assert press(writable, f"job/{job_id}/delete").json() == {"status": "OK"}
    assert writable.get(f"/v1/jobs/{job_id}").status_code == 404
    assert not [trace for trace in writable.traces() if job_id in trace]


def test_requeue_runs_a_canceled_job_to_its_end(writable: LiveService, clip: Path) -> None:
    with writable.redis() as redis:
        redis.set("rq:suspended", 1)  # as `rq suspend`
        job_id = writable.submit(clip)
        writable.post(f"/v1/jobs/{job_id}/cancel")
        redis.delete("rq:suspended")
    until(lambda: data(writable, f"job/{job_id}")["status"] == "canceled", "RQ knows")
    assert press(writable, f"job/{job_id}/requeue").json() == {"status": "OK"}
    assert writable.ended(job_id)["status"] == "finished"
    until(lambda: data(writable, f"job/{job_id}")["status"] == "finished", "RQ says the same")
    assert_error(press(writable, f"job/{job_id}/requeue"), 409, "job_already_ended")


@pytest.mark.fault(132)
@pytest.mark.slow
def test_after_a_restart_only_the_new_processes_workers_are_listed(start_service: Start) -> None:
    """Slow: two starts."""
    service = start_service("restarted", WHISPER_ENGINE="fake", WHISPER_MODEL="0", WHISPER_BATCH_SLOTS="1")
    before = {row["name"] for row in data(service, "workers")["workers"]}
    assert len(before) >= 3
    service.kill()
    service.start()
    until(lambda: not before & {row["name"] for row in data(service, "workers")["workers"]}, "they are gone", 20)


def test_queues_and_workers_are_counted(slow: LiveService, jobs: dict[str, str]) -> None:
    queues = {row["name"]: row for row in data(slow, "queues")["queues"]}
    assert queues["batch"]["started_job_registry_count"] == 1
    assert queues["batch"]["count"] == 1
    assert queues["batch"]["finished_job_registry_count"] >= 1
    assert queues["batch"]["failed_job_registry_count"] >= 1
    workers = data(slow, "workers")["workers"]
    assert sorted(row["queues"] for row in workers) == [["alone"], ["batch"], *[["fetch"]] * FETCHES, ["interactive"]]
    assert [row["state"] for row in workers if row["queues"] == ["batch"]] == ["busy"]


@pytest.mark.parametrize(
    "path",
    ["/rq", "/rq/", "/rq/0/view", "/rq/0/view/queues", "/rq/0/view/workers", "/rq/0/view/jobs", "/rq/favicon.ico"],
)
def test_every_page_opens(slow: LiveService, jobs: dict[str, str], path: str) -> None:
    with slow.http() as client:
        assert client.get(path, follow_redirects=True).status_code == 200


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_list_opens(slow: LiveService, jobs: dict[str, str], registry: str) -> None:
    for queue in ("batch", "interactive"):
        for order in ("asc", "dsc"):
            assert data(slow, f"jobs/{queue}/{registry}/8/{order}/1")["registry_name"] == registry
        assert slow.get(f"/rq/0/view/jobs/{queue}/{registry}/8/asc/1").status_code == 200


def test_its_pages_bring_their_own_scripts_and_styles(slow: LiveService) -> None:
    page = slow.get("/rq/").text
    links = [part.split('"')[0] for part in page.split('="')[1:] if part.startswith("/rq/static/")]
    assert len(links) >= 2
    for link in links:
        assert slow.get(link.partition("?")[0]).status_code == 200, link


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/rq/job/{finished}/delete"),
        ("POST", "/rq/job/{failed}/requeue"),
        ("POST", "/rq/requeue/batch"),
        ("GET", "/rq/requeue/batch"),
        ("POST", "/rq/queue/batch/queued/empty"),
        ("POST", "/rq/queue/batch/failed/empty"),
        ("POST", "/rq/queue/batch/compact"),
    ],
)
def test_nothing_can_be_changed(slow: LiveService, jobs: dict[str, str], method: str, path: str) -> None:
    before = data(slow, "queues")
    with slow.http(origin=slow.url) as client:
        response = client.request(method, path.format(**jobs))
    assert "WHISPER_DASHBOARD_WRITE" in assert_error(response, 403, "dashboard_read_only")
    assert data(slow, "queues") == before
    assert {status: slow.job(job_id)["status"] for status, job_id in jobs.items()} == {name: name for name in jobs}
