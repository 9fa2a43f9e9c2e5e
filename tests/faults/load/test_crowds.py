"""More of everything than there is room for: what is taken is done, what is refused is told when to come back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance import wire
from tests.acceptance.live import LiveService, assert_error, until
from tests.services import Start
from worker.store.job_store import LocalStore

JOBS = "/v1/jobs"
Answer = tuple[int, dict[str, str], dict[str, Any], float]  # status, headers, body, seconds


def api(service: LiveService) -> psutil.Process:
    (process,) = [child for child in psutil.Process(service.running.pid).children() if "api" in child.cmdline()]
    return process


def delete(service: LiveService, job_id: str) -> int:
    with service.http() as client:
        return client.delete(f"{JOBS}/{job_id}").status_code


@pytest.mark.fault(50)
def test_a_job_that_is_deleted_while_its_audio_is_read_is_read_to_its_end(quick: LiveService, tmp_path: Path) -> None:
    path = tmp_path / "big.mp3"
    path.write_bytes(bytes(range(256)) * 160_000)  # 40 MB, more than lies between the two ends of a connection
    job_id = quick.submit(path)
    quick.ended(job_id)
    received = 0
    with quick.http() as client, client.stream("GET", f"{JOBS}/{job_id}/audio") as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw(65_536):
            if not received:
                assert delete(quick, job_id) == 200
                assert_error(quick.get(f"{JOBS}/{job_id}/audio"), 404, "job_not_found", "id")
            received += len(chunk)
    assert received == path.stat().st_size
    assert job_id not in quick.job_ids()


@pytest.fixture(scope="module")
def narrow(start_service: Start) -> LiveService:
    """Three jobs may wait, and one runs at a time, for long."""
    return start_service(
        "narrow",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="3",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_BATCH_SLOTS="1",
        WHISPER_MAX_QUEUED_JOBS="3",
    )


@pytest.fixture(scope="module")
def hasty(start_service: Start) -> LiveService:
    """Uploads have two seconds for their next 64 kB."""
    return start_service("hasty", WHISPER_ENGINE="fake", WHISPER_UPLOAD_STALL="2")


@pytest.fixture
def full(narrow: LiveService, long_file: Path, clip: Path) -> Iterator[list[str]]:
    """One job that runs, and three that wait."""
    ids = [narrow.submit(long_file)]
    narrow.in_state(ids[0], "started")
    ids += [narrow.submit(clip) for _ in range(3)]
    yield ids
    for job_id in reversed(ids):
        delete(narrow, job_id)


@pytest.mark.fault(64)
def test_a_full_queue_says_when_to_come_back(narrow: LiveService, full: list[str], clip: Path) -> None:
    assert [narrow.job(job_id)["position"] for job_id in full[1:]] == [0, 1, 2]
    before = narrow.traces()
    refused = narrow.post(JOBS, files={"file": clip.read_bytes()})
    message = assert_error(refused, 429, "queue_full")
    assert "3 jobs wait" in message
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    head = wire.head(narrow.port, b"", [], JOBS).replace(b"content-length: 0", b"content-length: 900000000")
    with wire.connect(narrow.port) as connection:
        connection.sendall(head)  # and not a byte of the body
        assert connection.recv(65_536).startswith(b"HTTP/1.1 429 ")
    assert narrow.traces() == before
    assert narrow.transcribe(clip).status_code == 200, "who waits for an answer has a queue of their own"
    narrow.post(f"{JOBS}/{full[2]}/cancel")
    assert [narrow.job(full[1])["position"], narrow.job(full[3])["position"]] == [0, 1]
    full.append(narrow.submit(clip))


@pytest.mark.fault(62)
def test_a_byte_a_second_is_given_up_and_idle_connections_keep_nobody_out(hasty: LiveService, clip: Path) -> None:
    body = wire.form(wire.file(clip.read_bytes()), wire.field("model", "whisper-1"))
    idle = [wire.connect(hasty.port) for _ in range(200)]
    drips = [wire.connect(hasty.port) for _ in range(20)]
    try:
        for connection in drips:
            connection.sendall(wire.head(hasty.port, body) + body[:100])
        until(lambda: len(list((hasty.data / "incoming").iterdir())) == 20, "the uploads have begun")
        began = time.monotonic()
        assert hasty.get("/health/ready").status_code == 200
        assert hasty.transcribe(clip).status_code == 200
        assert time.monotonic() - began < 10, "others are served as ever"
        for number, connection in enumerate(drips):
            connection.sendall(body[100 : 101 + number % 2])
        answers = [wire.receive(connection) for connection in drips]
        assert {(answer.status, answer.json()["error"]["code"]) for answer in answers} == {(408, "upload_stalled")}
        until(lambda: not list((hasty.data / "incoming").iterdir()), "nothing of them is left")
    finally:
        for connection in [*idle, *drips]:
            connection.close()


async def send_one(port: int, request: bytes) -> Answer:
    """Status, headers, body, and the seconds it took, over a connection of its own."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await reader.read()
    finally:
        writer.close()
    return int(head[0].split()[1]), headers, json.loads(body), time.monotonic() - began


async def send_all(port: int, request: bytes, crowd: int) -> list[Answer]:
    return list(await asyncio.gather(*(send_one(port, request) for _ in range(crowd))))


@pytest.fixture(scope="module")
def patient(start_service: Start) -> LiveService:
    """One job at a time, each at once."""
    return start_service("patient", WHISPER_ENGINE="fake", WHISPER_MODEL="0", WHISPER_BATCH_SLOTS="1")


@pytest.mark.fault(63)
@pytest.mark.slow
@pytest.mark.parametrize("crowd", [200, 1000])
def test_a_crowd_at_once_is_taken_or_refused_and_none_is_lost(
    patient: LiveService, clip: Path, capsys: pytest.CaptureFixture[str], crowd: int
) -> None:
    """Slow: two crowds, and one job after another to see their order."""
    body = wire.form(wire.file(clip.read_bytes()[: 44 + 16_000]))  # half a second
    request = wire.head(patient.port, body, [], JOBS) + body
    process = api(patient)
    memory = [process.memory_info().rss >> 20]
    before, taken = patient.job_ids(), list[str]()
    for _ in range(2):
        answers = asyncio.run(send_all(patient.port, request, crowd))
        memory.append(process.memory_info().rss >> 20)
        taken += check_answers(answers)
        with capsys.disabled():
            print(f"\n{report(answers)}; the API has {memory[-1]} MB, after {memory[0]} MB")
    assert memory[1] - memory[0] < 96
    assert memory[2] - memory[1] < 24, "a second crowd needs no more"
    assert set(taken) == patient.job_ids() - before, "what was taken is there, and nothing else"
    check_order(patient, taken, crowd)


def check_answers(answers: list[Answer]) -> list[str]:
    """Returns the jobs that were taken."""
    for status, headers, body, _ in answers:
        assert status in (202, 429, 503), body
        assert status == 202 or (int(headers["retry-after"]) >= 1 and body["error"]["code"])
    taken = [body["id"] for status, _, body, _ in answers if status == 202]
    assert len(set(taken)) == len(taken) >= len(answers) / 4
    assert percentile(answers, 95) < 60
    return taken


def percentile(answers: list[Answer], share: int) -> float:
    seconds = sorted(seconds for status, _, _, seconds in answers if status == 202)
    return seconds[len(seconds) * share // 100]


def report(answers: list[Answer]) -> str:
    taken = sum(1 for answer in answers if answer[0] == 202)
    return f"{taken} of {len(answers)} taken, p50 {percentile(answers, 50):.2f} s, p95 {percentile(answers, 95):.2f} s"


def check_order(service: LiveService, taken: list[str], crowd: int) -> None:
    """All end, and those that wait now begin in the order in which they wait."""
    with service.redis() as redis:
        rows: Any = redis.lrange("rq:queue:batch", 0, -1)
    store = LocalStore(service.data)
    until(lambda: all(store.outcome(job_id) for job_id in taken), "all have ended", timeout=200)
    ends = {job_id: store.outcome(job_id) for job_id in taken}
    assert {end.state for end in ends.values() if end} == {"finished"}
    waiting = [row.decode() for row in rows]
    assert len(waiting) > crowd / 4
    began = [end.started_at or 0 for job_id in waiting if (end := ends[job_id])]
    assert began == sorted(began), "first come, first served"
