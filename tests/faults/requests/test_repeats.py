"""A request that is sent again is not run again."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from openai import OpenAI

from tests.acceptance import wire
from tests.acceptance.live import LiveService, assert_error, until
from tests.services import Start

ROUTE = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def steady(start_service: Start) -> LiveService:
    """Takes 2 s for each window, one at a time, so that a recording of three windows is under way for a while."""
    return start_service(
        "steady",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="2",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_TIME_SCALE="0.1",
    )


def submit(service: LiveService, path: Path, key: str, **fields: str) -> httpx.Response:
    with open(path, "rb") as file:
        return service.post(
            "/v1/jobs", data=fields, files={"file": (path.name, file)}, headers={"idempotency-key": key}
        )


def kill_api(service: LiveService) -> None:
    """Returns once another API process answers."""
    api = [child for child in psutil.Process(service.running.pid).children() if "api" in child.cmdline()]
    assert len(api) == 1
    api[0].kill()
    api[0].wait(10)
    until(lambda: answers(service), "the API is back")


def answers(service: LiveService) -> bool:
    try:
        return service.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def started(service: LiveService) -> set[str]:
    """The jobs whose first window is done."""
    return {job_id for job_id in service.job_ids() if service.job(job_id)["processed_seconds"] > 0}


def runs(service: LiveService, job_id: str) -> int:
    """How often a slot has begun with the job."""
    with service.redis() as redis:
        rows = redis.xrange(f"whisper:events:{job_id}")
    return sum(1 for _, fields in rows if b'"started"' in fields[b"data"])


@pytest.mark.fault(45)
def test_the_same_key_and_body_is_the_same_job(quick: LiveService, clip: Path) -> None:
    first = submit(quick, clip, "k-45", language="de")
    job_id = first.json()["id"]
    again = submit(quick, clip, '"k-45"', language="de")
    quick.ended(job_id)
    late = submit(quick, clip, "k-45", language="de")
    assert [answer.status_code for answer in (first, again, late)] == [202, 202, 202]
    assert [answer.json()["id"] for answer in (again, late)] == [job_id, job_id]
    assert late.json()["status"] == "finished"
    assert runs(quick, job_id) == 1


@pytest.mark.fault(45)
def test_a_waiting_client_gets_the_same_answer_again(quick: LiveService, clip: Path) -> None:
    before = quick.job_ids()
    headers = {"idempotency-key": "k-45-sync"}
    answers = []
    for _ in range(3):
        with open(clip, "rb") as file:
            answers.append(quick.post(ROUTE, data={"model": "base"}, files={"file": file}, headers=headers))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.content for answer in answers}) == 1
    assert len(quick.job_ids() - before) == 1


@pytest.mark.fault(45)
def test_a_key_survives_the_api_process_that_took_it(steady: LiveService, clip: Path) -> None:
    job_id = submit(steady, clip, "k-45-restart").json()["id"]
    kill_api(steady)
    assert submit(steady, clip, "k-45-restart").json()["id"] == job_id


@pytest.mark.fault(46)
def test_the_same_key_with_another_body_is_refused(quick: LiveService, clip: Path, talk_file: Path) -> None:
    assert submit(quick, clip, "k-46").status_code == 202
    before = quick.job_ids()
    for path, fields in [(talk_file, {}), (clip, {"language": "fr"})]:
        refused = submit(quick, path, "k-46", **fields)
        assert_error(refused, 422, "idempotency_key_reused", "Idempotency-Key")
    assert quick.job_ids() == before


def submit_raw(service: LiveService, body: bytes, key: str) -> wire.Answer:
    head = wire.head(service.port, body, [f"idempotency-key: {key}"], "/v1/jobs")
    return wire.send(service.port, head + body)


def begin(service: LiveService, body: bytes, key: str) -> socket.socket:
    """An upload under way: its last byte is missing."""
    incoming = service.data / "incoming"
    before = len(list(incoming.iterdir()))
    connection = wire.connect(service.port)
    connection.sendall(wire.head(service.port, body, [f"idempotency-key: {key}"], "/v1/jobs") + body[:-1])
    until(lambda: len(list(incoming.iterdir())) > before, "the upload has begun")
    return connection


@pytest.mark.fault(47)
def test_a_key_is_in_use_while_its_first_upload_comes_in(quick: LiveService, clip: Path) -> None:
    body = wire.form(wire.file(clip.read_bytes()))
    connection = begin(quick, body, "k-47")
    refused = submit_raw(quick, body, "k-47")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert int(refused.headers["retry-after"]) >= 1
    connection.sendall(body[-1:])
    first = wire.receive(connection)
    connection.close()
    assert first.status == 202
    again = submit_raw(quick, body, "k-47")
    assert (again.status, again.json()["id"]) == (202, first.json()["id"])


@pytest.mark.fault(47)
@pytest.mark.parametrize("end", ["the client leaves", "the api is killed"])
def test_an_upload_that_was_cut_off_frees_its_key(steady: LiveService, clip: Path, end: str) -> None:
    key = f"k-47-{end.split()[1]}"
    body = wire.form(wire.file(clip.read_bytes()))
    connection = begin(steady, body, key)
    if end == "the api is killed":
        kill_api(steady)
    connection.close()
    until(lambda: submit_raw(steady, body, key).status == 202, "the key is free")


@pytest.mark.fault(48)
def test_fifty_at_once_with_one_key_are_one_job(quick: LiveService, clip: Path) -> None:
    before = quick.job_ids()

    def send_until_taken(number: int) -> str:
        """As a client that heeds 409 and Retry-After does, with less patience."""
        deadline = time.monotonic() + 60
        while (answer := submit(quick, clip, "k-48")).status_code == 409:
            assert time.monotonic() < deadline
            assert int(answer.headers["retry-after"]) >= 1
            time.sleep(0.05)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    with ThreadPoolExecutor(50) as pool:
        ids = set(pool.map(send_until_taken, range(50)))
    assert len(ids) == 1
    assert quick.job_ids() - before == ids
    quick.ended(*ids)
    assert runs(quick, *ids) == 1


@pytest.mark.fault(13)
def test_a_client_whose_api_was_killed_sends_again_and_gets_the_first_run(steady: LiveService, talk_file: Path) -> None:
    """Without a key, as the official SDK does."""
    before = steady.job_ids()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(steady.transcribe, talk_file)
        until(lambda: started(steady) - before, "the job runs")
        kill_api(steady)
        with pytest.raises(httpx.TransportError):
            waiting.result(30)
    again = steady.transcribe(talk_file)
    assert (again.status_code, bool(again.json()["text"])) == (200, True)
    (job_id,) = steady.job_ids() - before
    assert runs(steady, job_id) == 1


@pytest.mark.fault(13)
def test_a_result_that_nobody_fetched_answers_the_next_try(steady: LiveService, talk_file: Path) -> None:
    """Takes over 10 s: two runs of three windows of 2 s, and another API process."""
    before = steady.job_ids()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(steady.transcribe, talk_file, language="de")
        until(lambda: started(steady) - before, "the job runs")
        kill_api(steady)
        with pytest.raises(httpx.TransportError):
            waiting.result(30)
    (job_id,) = steady.job_ids() - before
    until(lambda: (steady.data / "jobs" / job_id / "outcome.json").exists(), "the job ends all the same")
    began = time.monotonic()
    again = steady.transcribe(talk_file, language="de")
    assert (again.status_code, steady.job_ids() - before) == (200, {job_id})
    assert time.monotonic() - began < 5, "a run takes 6 s"
    assert steady.transcribe(talk_file, language="de").status_code == 200
    assert len(steady.job_ids() - before) == 2, "an answer that was given is not given again"


@pytest.mark.fault(13)
@pytest.mark.slow
def test_the_official_sdk_tries_again_by_itself(steady: LiveService, talk_file: Path) -> None:
    """Slow: the client waits before it does."""
    before = steady.job_ids()
    with OpenAI(base_url=f"{steady.url}/v1", api_key="none", max_retries=8) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            lambda: client.audio.transcriptions.create(model="whisper-1", file=talk_file, language="fr").text
        )
        until(lambda: started(steady) - before, "the job runs")
        kill_api(steady)
        assert waiting.result(60)
    (job_id,) = steady.job_ids() - before
    assert runs(steady, job_id) == 1


@pytest.mark.fault(16)
def test_a_client_that_comes_back_in_time_saves_its_job(steady: LiveService, talk_file: Path) -> None:
    """The job outlives the client that left by 30 s, by 3 s at a tenth of the times, and has 4 s to go; who sends the
    same again meanwhile waits for the same run."""
    before = steady.job_ids()
    body = wire.form(wire.file(talk_file.read_bytes()), wire.field("model", "whisper-1"), wire.field("language", "es"))
    request = wire.head(steady.port, body) + body
    with wire.connect(steady.port) as connection:
        connection.sendall(request)
        until(lambda: started(steady) - before, "the job runs", timeout=30)
    answer = wire.send(steady.port, request)
    assert answer.status == 200
    (job_id,) = steady.job_ids() - before
    assert runs(steady, job_id) == 1
