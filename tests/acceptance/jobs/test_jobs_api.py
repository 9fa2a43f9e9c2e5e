"""Jobs from end to end: handed in, watched, fetched, called off, removed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import media, speech
from tests.acceptance import wire
from tests.acceptance.live import ENDED, LiveService, assert_error, until
from tests.acceptance.subtitles import read_srt, read_vtt, text_of
from tests.accuracy import normalised
from tests.conftest import Sample
from tests.services import KEYS, SCALES, Start
from worker.runtime.timing import Timing

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip


def cancel(service: LiveService, job_id: str) -> dict[str, Any]:
    response = service.post(f"/v1/jobs/{job_id}/cancel")
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


def delete(service: LiveService, job_id: str) -> None:
    with service.http() as client:
        answer = client.delete(f"/v1/jobs/{job_id}")
    assert answer.json() == {"id": job_id, "object": "transcription.job", "deleted": True}


def test_a_recording_from_its_upload_to_its_transcript(service: LiveService, sample: Sample) -> None:
    submitted = time.time()
    fields = {
        "response_format": "verbose_json",
        "timestamp_granularities[]": "word",
        "metadata": '{"meeting": "weekly"}',
    }
    with open(sample.path, "rb") as file:
        response = service.post("/v1/jobs", data=fields, files={"file": ("Meeting 1.mp3", file)})
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == job["urls"]["self"] == f"/v1/jobs/{job['id']}"
    assert (job["object"], job["status"] in ("queued", "started")) == ("transcription.job", True)
    assert (job["model"], job["task"], job["priority"]) == ("base", "transcribe", "batch")
    assert job["file"] == {"name": "Meeting 1.mp3", "bytes": sample.path.stat().st_size}
    assert job["metadata"] == {"meeting": "weekly"}

    job = service.ended(job["id"])
    assert (job["status"], job["progress"], job["error"], job["warnings"]) == ("finished", 1.0, None, [])
    assert job["processed_seconds"] == job["total_seconds"] == pytest.approx(11.56, abs=0.1)
    assert submitted - 1 <= job["created_at"] <= job["started_at"] <= job["ended_at"] <= time.time()
    assert job["speed"] > 0
    assert (job["position"], job["eta_seconds"]) == (None, None)

    url = job["urls"]["transcript"]
    as_sent = service.get(url).json()
    assert "segments" not in as_sent
    assert normalised(as_sent["text"]) == normalised(sample.text)
    assert "".join(word["word"] for word in as_sent["words"]) == as_sent["text"].replace(" ", "")
    both = service.get(url, format="verbose_json", timestamp_granularities=["word", "segment"]).json()
    assert both["words"] == as_sent["words"]
    assert "".join(row["text"] for row in both["segments"]).strip() == as_sent["text"]
    assert service.get(url, format="json").json()["text"] == as_sent["text"]
    assert service.get(url, format="text").text == as_sent["text"] + "\n"
    srt, vtt = read_srt(service.get(url, format="srt").text), read_vtt(service.get(url, format="vtt").text)
    assert srt == vtt
    assert text_of(srt) == as_sent["text"]
    assert_error(service.get(url, format="odt"), 400, "invalid_value", "format")


def test_the_recording_comes_back_whole_and_in_ranges(quick: LiveService, clip: Path) -> None:
    content, url = clip.read_bytes(), f"/v1/jobs/{quick.submit(clip)}/audio"
    whole = quick.get(url)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "audio/wav"
    assert 'filename="clip.wav"' in whole.headers["content-disposition"]
    for asked, start, end in (("bytes=100-199", 100, 200), ("bytes=-50", len(content) - 50, len(content))):
        with quick.http(range=asked) as client:
            part = client.get(url)
        assert (part.status_code, part.content) == (206, content[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(content)}"


def test_the_body_can_be_the_recording_itself(quick: LiveService, clip: Path) -> None:
    query = {"filename": "call.wav", "response_format": "text", "task": "translate", "priority": "interactive"}
    response = quick.post("/v1/jobs", content=clip.read_bytes(), params=query, headers={"content-type": "audio/wav"})
    assert response.status_code == 202
    job = quick.ended(response.json()["id"])
    assert (job["file"]["name"], job["task"], job["priority"]) == ("call.wav", "translate", "interactive")
    assert quick.get(job["urls"]["transcript"]).text == f"{FAKE_TEXT}\n"


def test_progress_grows_window_by_window(slow: LiveService, talk_file: Path, talk: speech.Recording) -> None:
    job_id = slow.submit(talk_file)
    seen: list[dict[str, Any]] = []

    def watch() -> bool:
        seen.append(slow.job(job_id))
        return seen[-1]["status"] in ENDED

    until(watch, "the job ends")
    assert seen[-1]["status"] == "finished"
    assert [status for status, _ in itertools.groupby(row["status"] for row in seen)][-2:] == ["started", "finished"]
    progress = [row["progress"] for row in seen]
    assert progress == sorted(progress)
    assert len(set(progress)) >= 4  # nothing, two windows of three, all
    under_way = [row for row in seen if row["status"] == "started" and 0 < row["progress"] < 1]
    for row in under_way:
        assert row["total_seconds"] == pytest.approx(talk.seconds, abs=0.1)
        assert row["progress"] == pytest.approx(row["processed_seconds"] / row["total_seconds"], abs=0.001)
        assert row["speed"] > 0
        assert row["eta_seconds"] >= 0
        assert row["position"] is None


def test_a_waiting_job_knows_its_place_and_the_queue_moves_up(slow: LiveService, long_file: Path, clip: Path) -> None:
    running = slow.submit(long_file)
    slow.in_state(running, "started")
    first, second, third = slow.submit(clip), slow.submit(clip), slow.submit(clip)
    assert [slow.job(job_id)["position"] for job_id in (running, first, second, third)] == [None, 0, 1, 2]
    queued = slow.get("/v1/jobs", status="queued").json()["data"]
    assert [row["id"] for row in queued] == [third, second, first]
    assert [row["id"] for row in slow.get("/v1/jobs", status="started").json()["data"]] == [running]

    assert cancel(slow, first)["status"] == "canceled"
    assert [slow.job(job_id)["position"] for job_id in (second, third)] == [0, 1]
    assert cancel(slow, running)["status"] == "canceled"
    assert slow.ended(second)["status"] == slow.ended(third)["status"] == "finished"
    assert slow.job(first)["started_at"] is None
    assert {slow.job(job_id)["status"] for job_id in (first, running)} == {"canceled"}
    for job_id in (first, running):
        assert_error(slow.get(f"/v1/jobs/{job_id}/transcript"), 409, "canceled", "id")
        assert_error(slow.post(f"/v1/jobs/{job_id}/cancel"), 409, "job_already_ended", "id")


def test_an_interactive_job_overtakes_those_nobody_waits_for(slow: LiveService, long_file: Path, clip: Path) -> None:
    running, waiting = slow.submit(long_file), slow.submit(clip)
    urgent = slow.ended(slow.submit(clip, priority="interactive"))
    assert urgent["status"] == "finished"
    assert slow.job(running)["status"] == "started"
    assert slow.job(waiting)["status"] == "queued"
    assert_error(slow.get(f"/v1/jobs/{running}/transcript"), 409, "job_not_finished", "id")
    cancel(slow, running)
    cancel(slow, waiting)


def queued_job(slow: LiveService, talk: Path, clip: Path) -> str:
    slow.submit(talk)
    return slow.submit(clip)


def running_job(slow: LiveService, talk: Path, clip: Path) -> str:
    job_id = slow.submit(talk)
    slow.in_state(job_id, "started")
    return job_id


def finished_job(slow: LiveService, talk: Path, clip: Path) -> str:
    return str(slow.ended(slow.submit(clip))["id"])


def failed_job(slow: LiveService, talk: Path, clip: Path) -> str:
    broken = media.random_bytes(clip.with_name("random.mp3"))
    return str(slow.ended(slow.submit(broken))["id"])


def canceled_job(slow: LiveService, talk: Path, clip: Path) -> str:
    job_id = running_job(slow, talk, clip)
    cancel(slow, job_id)
    return job_id


STATES = {
    "queued": queued_job,
    "started": running_job,
    "finished": finished_job,
    "failed": failed_job,
    "canceled": canceled_job,
}


@pytest.mark.parametrize("status", STATES)
def test_deleting_leaves_no_trace(
    slow: LiveService, talk_file: Path, clip: Path, request: pytest.FixtureRequest, status: str
) -> None:
    before = slow.traces()

    def remove_others() -> None:
        for job_id in slow.job_ids() - {name.removeprefix("jobs/") for name in before}:
            delete(slow, job_id)

    request.addfinalizer(remove_others)
    make: Callable[[LiveService, Path, Path], str] = STATES[status]
    job_id = make(slow, talk_file, clip)
    assert slow.job(job_id)["status"] == status
    delete(slow, job_id)
    for path in ("", "/transcript", "/audio"):
        assert_error(slow.get(f"/v1/jobs/{job_id}{path}"), 404, "job_not_found", "id")
    assert job_id not in [row["id"] for row in slow.get("/v1/jobs", limit=100).json()["data"]]
    assert slow.ended(slow.submit(clip, priority="interactive"))["status"] == "finished"
    remove_others()
    until(lambda: not any(job_id in name for name in slow.traces()), f"no trace of {job_id} is left", timeout=20)


def test_pages_and_filters_over_ones_own_jobs(keyed: LiveService, clip: Path, tmp_path: Path) -> None:
    ben = LiveService(keyed.directory, key=KEYS["ben"])
    ben.running = keyed.running
    with ben.http() as client:
        for row in ben.get("/v1/jobs", limit=100).json()["data"]:  # of other tests
            client.delete(row["urls"]["self"]).raise_for_status()
    finished = [ben.submit(clip) for _ in range(4)]
    failed = ben.submit(media.random_bytes(tmp_path / "random.mp3"))
    for job_id in (*finished, failed):
        ben.ended(job_id)
    newest_first = [failed, *reversed(finished)]

    pages = []
    after: dict[str, str] = {}
    for _ in range(3):
        page = ben.get("/v1/jobs", limit=2, **after).json()
        pages.append([row["id"] for row in page["data"]])
        assert page["object"] == "list"
        assert page["last_id"] == pages[-1][-1]
        after = {"after": page["last_id"]}
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    assert page["has_more"] is False
    assert [row["id"] for row in ben.get("/v1/jobs", status="failed").json()["data"]] == [failed]
    assert [row["id"] for row in ben.get("/v1/jobs", status="finished").json()["data"]] == newest_first[1:]
    assert ben.get("/v1/jobs", status="canceled").json() == {
        "object": "list", "data": [], "has_more": False, "last_id": None
    }  # fmt: skip
    assert not {row["id"] for row in keyed.get("/v1/jobs", limit=100).json()["data"]} & set(newest_first)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/transcript"), ("GET", "/audio"), ("POST", "/cancel"), ("DELETE", "")]
)
def test_another_keys_job_is_not_there(keyed: LiveService, clip: Path, method: str, path: str) -> None:
    job_id = keyed.submit(clip)
    with keyed.http(authorization=f"Bearer {KEYS['ben']}") as ben:
        response = ben.request(method, f"/v1/jobs/{job_id}{path}")
    assert_error(response, 404, "job_not_found", "id")
    assert keyed.ended(job_id)["status"] == "finished"


def test_an_answered_clients_recording_is_deleted_at_once(quick: LiveService, clip: Path) -> None:
    before = quick.job_ids()
    assert quick.transcribe(clip).json()["text"] == FAKE_TEXT
    [job_id] = quick.job_ids() - before
    assert not (quick.data / "jobs" / job_id / "source").exists()
    assert quick.job(job_id)["status"] == "finished"
    assert quick.get(f"/v1/jobs/{job_id}/transcript").json()["text"] == FAKE_TEXT
    assert_error(quick.get(f"/v1/jobs/{job_id}/audio"), 410, "audio_deleted", "id")


@pytest.mark.fault(16)
@pytest.mark.parametrize("scale", SCALES)
def test_a_job_whose_client_left_is_canceled_30_seconds_after_the_last_who_waited(
    start_service: Start, long_file: Path, clip: Path, scale: float
) -> None:
    """The promise is 30 s, and 3 s at a tenth of the times."""
    abandon = Timing().scaled(scale).abandon
    service = start_service(
        f"abandoned-{scale}",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="5",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_INTERACTIVE_SLOTS="1",
        WHISPER_TIME_SCALE=str(scale),
    )
    body = wire.form(wire.field("model", "5"), wire.file(long_file.read_bytes(), b"long.flac"))  # 55 s of work here
    with wire.connect(service.port) as connection:
        connection.sendall(wire.head(service.port, body) + body)
        [job_id] = until(service.job_ids, "the job is there")
    assert service.job(job_id, wait=3)["status"] == "started"
    left = time.monotonic()
    until(lambda: service.job(job_id)["status"] in ENDED, "the job ends")
    assert abandon - 2 * scale < time.monotonic() - left < abandon + 10
    assert service.job(job_id)["status"] == "canceled"
    assert not (service.data / "jobs" / job_id / "source").exists()
    began = time.monotonic()
    assert service.ended(service.submit(clip, priority="interactive"))["status"] == "finished"
    assert time.monotonic() - began < 15, "the model is free: the job had 20 s of work left"


@pytest.mark.slow
def test_jobs_that_were_promised_outlive_a_restart(start_service: Start, talk_file: Path, clip: Path) -> None:
    """Slow: two starts of a service; test_drain.py and test_events.py restart one with jobs, too."""
    settings = {"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "1", "WHISPER_LANES": "1", "WHISPER_BATCH_SLOTS": "1"}
    service = start_service("restarted", **settings)
    running, *waiting = [service.submit(path) for path in (talk_file, clip, clip)]
    service.in_state(running, "started")
    service.stop()
    service.start()
    assert [service.ended(job_id)["status"] for job_id in (running, *waiting)] == ["finished"] * 3
    text = service.get(f"/v1/jobs/{running}/transcript").json()["text"]
    assert text.split()[0] == "w0.0"
    assert text.split()[-1].startswith("w2.")
    assert service.get(f"/v1/jobs/{waiting[0]}/transcript").json()["text"] == FAKE_TEXT
