"""Jobs from hand-in to deletion, with the worker played by the test."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from engines.base import DecodeOptions
from engines.transcript import TranscriptWarning
from tests.unit.api_service import WAV, Running, assert_error, make_transcript, serving
from worker.queue.events import Events
from worker.store.records import Diarization, JobError, Outcome, Retry, new_job_id

pytestmark = pytest.mark.asyncio
KEYS = {
    "id", "object", "status", "created_at", "started_at", "ended_at", "expires_at", "attempts", "model", "task",
    "language", "detected_language",
    "priority", "file", "url", "progress", "processed_seconds", "total_seconds", "speed", "eta_seconds", "position",
    "waiting_for", "error", "track", "speakers", "warnings", "metadata", "webhook", "urls", "title", "edited",
}  # fmt: skip


async def test_a_job_is_promised_with_its_object(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        sent = {"language": "de", "metadata": '{"meeting": 7}'}
        response = await running.client.post("/v1/jobs", data=sent, files={"file": ("m.wav", WAV)})
        job = response.json()
        assert (response.status_code, set(job)) == (202, KEYS)
        assert response.headers["location"] == job["urls"]["self"] == f"/v1/jobs/{job['id']}"
        assert (job["object"], job["status"], job["position"]) == ("transcription.job", "queued", 0)
        assert (job["model"], job["task"], job["language"], job["priority"]) == ("base", "transcribe", "de", "batch")
        assert (job["file"], job["metadata"]) == ({"name": "m.wav", "bytes": len(WAV)}, {"meeting": 7})
        assert (job["progress"], job["error"], job["ended_at"], job["expires_at"]) == (0.0, None, None, None)
        assert abs(job["created_at"] - time.time()) < 60
        assert (await running.client.get(response.headers["location"])).json() == job


async def test_interactive_jobs_wait_in_their_own_queue(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for priority in ("batch", "batch", "interactive"):
            response = await running.client.post("/v1/jobs", data={"priority": priority}, files={"file": WAV})
            assert response.status_code == 202
        jobs = (await running.client.get("/v1/jobs")).json()["data"]
        places = [(job["priority"], job["position"]) for job in jobs]
        assert places == [("interactive", 0), ("batch", 1), ("batch", 0)]


@pytest.mark.fault(111)
async def test_a_job_put_aside_waits_and_says_for_what(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        running.redis.delete("rq:queue:batch")
        Events(running.redis).started(request.id, time.time())
        retry = Retry(JobError("out_of_memory", "Memory is short."), 3, time.time(), 20.0)
        running.store.put_aside(request.id, retry)
        running.redis.zadd("rq:scheduled:batch", {request.id: retry.due_at})
        job = (await running.client.get(f"/v1/jobs/{request.id}")).json()
        assert (job["status"], job["position"], job["error"]) == ("queued", None, None)
        waits = {"code": "out_of_memory", "message": "Memory is short.", "tries": 3}
        assert job["waiting_for"] == {**waits, "next_try_at": round(retry.due_at, 3)}
        running.redis.delete("rq:scheduled:batch")  # it runs again
        job = (await running.client.get(f"/v1/jobs/{request.id}")).json()
        assert (job["status"], job["waiting_for"]) == ("started", None)
        assert (await running.client.post(f"/v1/jobs/{request.id}/cancel")).json()["status"] == "canceled"


@pytest.mark.fault(110)
async def test_a_job_without_a_model_remembers_that_it_has_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for form, is_default in (({}, True), ({"model": "base"}, False)):
            sent = await running.client.post("/v1/jobs", data=form, files={"file": ("m.wav", WAV)})
            request = running.store.request(sent.json()["id"])
            assert (sent.json()["model"], request.model, request.is_default_model) == ("base", "base", is_default)


async def test_a_running_job_shows_how_far_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        running.redis.delete("rq:queue:batch")  # a slot has taken it
        began = time.time() - 10
        Events(running.redis).started(request.id, began)
        job = (await running.client.get(f"/v1/jobs/{request.id}")).json()
        assert (job["status"], job["progress"], job["total_seconds"]) == ("started", 0.0, None)
        Events(running.redis).window(request.id, 600.0, 2400.0, [])
        job = (await running.client.get(f"/v1/jobs/{request.id}")).json()
        assert (job["status"], job["started_at"], job["position"]) == ("started", int(began), None)
        assert (job["progress"], job["processed_seconds"], job["total_seconds"]) == (0.25, 600.0, 2400.0)
        assert 40 < job["speed"] <= 60
        assert 30 <= job["eta_seconds"] < 45


async def test_a_finished_job_sums_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        running.store.save_transcript(request.id, make_transcript())
        warning = {"code": "truncated_input", "message": "The file is cut off."}
        ended = Outcome(
            "finished", ended_at=2004.0, started_at=2000.0, duration=8.0, warnings=(TranscriptWarning(**warning),)
        )
        running.store.finish(request.id, ended)
        job = (await running.client.get(f"/v1/jobs/{request.id}")).json()
        assert (job["status"], job["started_at"], job["ended_at"]) == ("finished", 2000, 2004)
        assert (job["progress"], job["processed_seconds"], job["speed"], job["eta_seconds"]) == (1.0, 8.0, 2.0, None)
        assert (job["warnings"], job["error"], job["position"]) == ([warning], None, None)
        assert job["expires_at"] == 2004 + 7 * 24 * 3600


async def test_a_failed_job_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        running.fail(request.id, "empty_audio", "There is nothing in it.")
        job = (await running.client.get(f"/v1/jobs/{request.id}")).json()
        assert job["status"] == "failed"
        assert job["error"] == {"code": "empty_audio", "message": "There is nothing in it."}
        response = await running.client.get(f"/v1/jobs/{request.id}/transcript")
        assert assert_error(response, 400, "empty_audio", "file") == "There is nothing in it."


async def test_a_get_can_wait_for_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        holding = asyncio.create_task(running.client.get(f"/v1/jobs/{request.id}?wait=30"))
        assert (await running.client.get(f"/v1/jobs/{request.id}?wait=0.01")).json()["status"] == "queued"
        assert not holding.done()
        running.finish(request.id)
        assert (await asyncio.wait_for(holding, 5)).json()["status"] == "finished"
        assert_error(await running.client.get(f"/v1/jobs/{request.id}?wait=61"), 400, "invalid_value", "wait")


async def test_pages_newest_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        ids = sorted((running.add_job().id for _ in range(5)), reverse=True)
        seen: list[str] = []
        page = {"has_more": True, "last_id": None}
        while page["has_more"]:
            after = {"after": page["last_id"]} if page["last_id"] else {}
            page = (await running.client.get("/v1/jobs", params={"limit": 2, **after})).json()
            assert page["object"] == "list"
            seen += [job["id"] for job in page["data"]]
        assert seen == ids
        running.service.jobs.delete(running.store.request(ids[1]))  # a page may go on after a job that is gone
        rest = (await running.client.get("/v1/jobs", params={"after": ids[1]})).json()
        assert [job["id"] for job in rest["data"]] == ids[2:]
        oldest = (await running.client.get("/v1/jobs", params={"order": "asc", "limit": 2})).json()
        assert [job["id"] for job in oldest["data"]] == ids[:-3:-1]
        newer = (await running.client.get("/v1/jobs", params={"order": "asc", "after": oldest["last_id"]})).json()
        assert [job["id"] for job in newer["data"]] == [each for each in ids[-3::-1] if each != ids[1]]
        beyond = (await running.client.get("/v1/jobs", params={"after": ids[-1]})).json()
        assert beyond == {"object": "list", "data": [], "has_more": False, "last_id": None}


async def test_a_status_filters(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        queued, finished = running.add_job(), running.add_job()
        running.finish(finished.id)
        for status, expected in (("queued", [queued.id]), ("finished", [finished.id]), ("failed", [])):
            found = (await running.client.get("/v1/jobs", params={"status": status})).json()["data"]
            assert [job["id"] for job in found] == expected


async def test_the_one_job_that_runs_is_found_among_those_that_wait(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        jobs = [running.add_job() for _ in range(5)]
        Events(running.redis).started(jobs[2].id, time.time())
        running.redis.lrem("rq:queue:batch", 1, jobs[2].id)
        Events(running.redis).started(jobs[3].id, time.time())  # its worker died since: it waits again
        for status, expected in (("started", [jobs[2]]), ("queued", [jobs[4], jobs[3], jobs[1], jobs[0]])):
            found = (await running.client.get("/v1/jobs", params={"status": status})).json()["data"]
            assert [job["id"] for job in found] == [request.id for request in expected]


async def test_bad_queries_are_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for query in ("limit=0", "limit=101", "limit=x", "after=nonsense", "status=done", "order=up"):
            response = await running.client.get(f"/v1/jobs?{query}")
            assert_error(response, 400, "invalid_value", query.partition("=")[0])


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["job.json", "outcome.json"])
async def test_an_unreadable_record_hides_no_other(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as running:
        jobs = [running.add_job() for _ in range(3)]
        (tmp_path / "jobs" / jobs[1].id / name).write_text("{")
        listed = (await running.client.get("/v1/jobs")).json()["data"]
        assert [job["id"] for job in listed] == [jobs[2].id, jobs[0].id]


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["job.json", "outcome.json", "transcript.json"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "{name} is damaged"),
        ('{"format": 2}', "{name} has format 2, which a newer version wrote; this version knows 1"),
    ],
)
async def test_an_unreadable_record_is_told_to_whoever_asks(tmp_path: Path, name: str, content: str, says: str) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        running.finish(job.id)
        path = tmp_path / "jobs" / job.id / name
        path.write_text(content)
        for call in ("", "?wait=1", "/transcript", "/deliveries") if name != "transcript.json" else ("/transcript",):
            if (name, call) == ("outcome.json", "/deliveries"):
                continue  # which are none for a job without a webhook, however it ended
            message = assert_error(await running.client.get(f"/v1/jobs/{job.id}{call}"), 500, "server_error", "id")
            assert job.id in message
            assert says.format(name=name) in message
        assert path.read_text() == content


@pytest.mark.fault(67)
async def test_who_follows_a_job_hears_that_its_end_cannot_be_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        (tmp_path / "jobs" / job.id / "outcome.json").write_text("{")
        text = (await running.client.get(f"/v1/jobs/{job.id}/events")).text
        assert "event: error\ndata: {" in text
        assert "outcome.json is damaged" in text


async def test_a_transcript_in_every_format(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(response_format="text")
        running.finish(request.id)
        path = f"/v1/jobs/{request.id}/transcript"
        assert (await running.client.get(path)).text == "Hello there. Bye now.\n"
        assert (await running.client.get(f"{path}?format=json")).json()["text"] == "Hello there. Bye now."
        assert (await running.client.get(f"{path}?format=srt")).text.startswith("1\n00:00:00,000")
        assert (await running.client.get(f"{path}?format=vtt")).text.startswith("WEBVTT")
        words = await running.client.get(f"{path}?format=verbose_json&timestamp_granularities[]=word")
        assert len(words.json()["words"]) == 4
        assert_error(await running.client.get(f"{path}?format=odt"), 400, "invalid_value", "format")
        assert running.store.source(request.id).exists()  # a job keeps its recording


async def test_no_transcript_yet(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        path = f"/v1/jobs/{request.id}/transcript"
        assert "queued" in assert_error(await running.client.get(path), 409, "job_not_finished", "id")
        running.service.jobs.cancel(request.id)
        assert_error(await running.client.get(path), 409, "canceled", "id")


async def test_nobody_is_named_before_the_speakers_are_known(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(diarization=Diarization())
        answer = await running.client.patch(f"/v1/jobs/{request.id}", json={"speakers": {"A": "Anna"}})
        assert_error(answer, 409, "job_not_finished", "id")


async def test_no_word_times_where_none_were_made(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(options=DecodeOptions(words=False))
        running.finish(request.id)
        query = "format=verbose_json&timestamp_granularities=word"
        response = await running.client.get(f"/v1/jobs/{request.id}/transcript?{query}")
        assert_error(response, 400, "invalid_value", "timestamp_granularities")


async def test_the_recording_is_given_back_in_ranges(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(filename='Größe "1".html')
        path = f"/v1/jobs/{request.id}/audio"
        whole = await running.client.get(path)
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, WAV, "audio/wav")
        assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe%20%221%22.html"
        assert whole.headers["x-content-type-options"] == "nosniff"
        part = await running.client.get(path, headers={"range": "bytes=4-11"})
        assert (part.status_code, part.content) == (206, WAV[4:12])
        assert part.headers["content-range"] == f"bytes 4-11/{len(WAV)}"
        running.store.drop_source(request.id)
        assert_error(await running.client.get(path), 410, "audio_deleted", "id")


async def test_markup_is_never_served_as_a_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        upload = {"file": ("x.html", b"<html><script>alert(1)</script>", "text/html")}
        job = (await running.client.post("/v1/jobs", files=upload)).json()
        response = await running.client.get(job["urls"]["audio"])
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("state", ["queued", "started"])
async def test_a_job_is_canceled_in_every_live_state(tmp_path: Path, state: str) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        if state == "started":
            running.redis.delete("rq:queue:batch")
            Events(running.redis).started(request.id, time.time())
        response = await running.client.post(f"/v1/jobs/{request.id}/cancel")
        job = response.json()
        assert (response.status_code, job["status"], job["position"]) == (200, "canceled", None)
        assert running.redis.llen("rq:queue:batch") == 0
        # a running job's record belongs to its slot; that of a queued one stands among the canceled, for a while
        listed = running.redis.zrange("rq:canceled:batch", 0, -1) == [request.id.encode()]
        assert listed == (state == "queued")
        assert (running.redis.ttl(f"rq:job:{request.id}") > 0) == listed
        newest: Any = running.redis.xrevrange("whisper:feed", count=1)
        assert newest[0][1] == {b"job": request.id.encode(), b"state": b"canceled"}


@pytest.mark.fault(49)
async def test_what_has_ended_cannot_be_canceled(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        finished, failed, canceled = (running.add_job() for _ in range(3))
        running.finish(finished.id)
        running.fail(failed.id, "server_error")
        running.service.jobs.cancel(canceled.id)
        for request, state in ((finished, "finished"), (failed, "failed"), (canceled, "canceled")):
            response = await running.client.post(f"/v1/jobs/{request.id}/cancel")
            assert state in assert_error(response, 409, "job_already_ended", "id")
            assert response.headers["x-should-retry"] == "false"
        assert_error(await running.client.post(f"/v1/jobs/{new_job_id()}/cancel"), 404, "job_not_found", "id")


@pytest.mark.parametrize("ended", [True, False])
async def test_deleting_leaves_no_trace(tmp_path: Path, ended: bool) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        Events(running.redis).started(request.id, time.time())
        if ended:
            running.finish(request.id)
        response = await running.client.delete(f"/v1/jobs/{request.id}")
        assert response.json() == {"id": request.id, "object": "transcription.job", "deleted": True}
        assert running.leftovers() == []
        assert [key for key in running.redis.scan_iter() if request.id.encode() in key] == []
        assert_error(await running.client.get(f"/v1/jobs/{request.id}"), 404, "job_not_found", "id")
        assert_error(await running.client.delete(f"/v1/jobs/{request.id}"), 404, "job_not_found", "id")


async def test_who_follows_a_running_job_sees_it_deleted_and_never_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        seen = []
        told = running.service.events.state

        def look(job_id: str, state: str) -> None:
            told(job_id, state)
            seen.append(running.store.has(job_id))  # what readers find whom this wakes

        monkeypatch.setattr(running.service.events, "state", look)
        assert (await running.client.delete(f"/v1/jobs/{request.id}")).status_code == 200
        assert seen == [False]


async def test_unknown_ids(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for job_id in ("nonsense", "job_1", "job_" + "0" * 28, "%00", "job_" + "0" * 5000):
            assert_error(await running.client.get(f"/v1/jobs/{job_id}"), 404, "job_not_found", "id")
        assert_error(await running.client.get("/v1/jobs/..%2F..%2Fetc"), 404, "not_found")


async def test_with_redis_away_what_has_ended_is_served_from_disk(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        live, finished = running.add_job(), running.add_job()
        running.finish(finished.id)
        running.redis_server.connected = False
        await check_served_from_disk(running, finished.id)
        for path in (f"/v1/jobs/{live.id}", "/v1/jobs"):
            assert_error(await running.client.get(path), 503, "redis_unavailable")
        canceled = await running.client.post(f"/v1/jobs/{live.id}/cancel")
        assert canceled.json()["status"] == "canceled"
        assert (await running.client.delete(f"/v1/jobs/{finished.id}")).status_code == 200
        assert running.job_ids() == [live.id]


async def check_served_from_disk(running: Running, job_id: str) -> None:
    assert (await running.client.get(f"/v1/jobs/{job_id}?wait=5")).json()["status"] == "finished"
    assert (await running.client.get(f"/v1/jobs/{job_id}/transcript")).status_code == 200
    assert (await running.client.get(f"/v1/jobs/{job_id}/audio")).content == WAV
    listed = (await running.client.get("/v1/jobs?status=finished")).json()["data"]
    assert [job["id"] for job in listed] == [job_id]


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.fault(75)
@pytest.mark.parametrize("metadata", [deep(400), {"a": float("nan")}, {"a": "\\ud800"}])
async def test_a_record_that_cannot_be_shown_hides_no_other(
    tmp_path: Path, metadata: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """As an earlier version took it in."""
    async with serving(tmp_path) as running:
        shown = [running.add_job(), running.add_job(), running.add_job()]
        record = running.store.root / "jobs" / shown[1].id / "job.json"
        text = record.read_text().replace('"metadata": {}', f'"metadata": {json.dumps(metadata)}')
        assert text != record.read_text()
        record.write_text(text.replace("\\\\ud800", "\\ud800"))
        answer = await running.client.get("/v1/jobs")
        assert answer.status_code == 200
        ids = [job["id"] for job in answer.json()["data"]]
        assert {shown[0].id, shown[2].id} <= set(ids)
        assert shown[1].id in ids or shown[1].id in caplog.text


async def test_a_list_is_searched_and_filtered_by_several_states(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        waits, done = running.add_job(filename="weekly.mp3"), running.add_job(filename="weekly.mp3")
        failed, other = running.add_job(filename="weekly.mp3"), running.add_job(filename="talk.mp3")
        running.finish(done.id)
        running.fail(failed.id, "empty_audio")
        running.finish(other.id)

        async def listed(**query: str | int) -> tuple[list[str], bool]:
            answer = (await running.client.get("/v1/jobs", params=query)).json()
            return [row["id"] for row in answer["data"]], answer["has_more"]

        assert await listed(q="WEEKLY") == ([failed.id, done.id, waits.id], False)
        assert await listed(q="weekly", status="finished,failed") == ([failed.id, done.id], False)
        assert await listed(q="weekly", limit=2) == ([failed.id, done.id], True)
        assert await listed(q="weekly", limit=2, after=done.id) == ([waits.id], False)
        assert await listed(q="hello there bye") == ([other.id, done.id], False)
        assert await listed(q="?!") == await listed()
        assert await listed(status="queued, finished") == ([other.id, done.id, waits.id], False)
        assert_error(await running.client.get("/v1/jobs?status=finished,gone"), 400, "invalid_value", "status")
        assert_error(await running.client.get("/v1/jobs", params={"q": "x" * 201}), 400, "invalid_value", "q")


async def test_what_has_ended_is_searched_while_redis_is_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        done = running.add_job()
        running.finish(done.id)
        running.redis_server.connected = False
        answer = await running.client.get("/v1/jobs?q=hello&status=finished,failed,canceled")
        assert [row["id"] for row in answer.json()["data"]] == [done.id]
