"""The warm worker as a process: what is promised of a job holds when it is canceled, broken, killed or stopped."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis
from rq.queue import Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from engines.base import DecodeOptions
from tests import media
from tests.accuracy import word_error_rate
from tests.conftest import Sample
from tests.integration.running_worker import RedisServer, RunningWorker, redis_server, wait_for
from worker.queue import heartbeat
from worker.store.job_store import JobNotFound
from worker.store.records import Outcome, new_job_id

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")


SCALE = 0.1  # of all the service's own durations: test_crashes waits for a lease in its full length
START = 5.0  # seconds another worker has to start and to begin, which no scale shortens


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def worker(redis: RedisServer, tmp_path: Path) -> Iterator[RunningWorker]:
    running = RunningWorker(redis.url, tmp_path, SCALE)
    yield running
    running.end()


@pytest.fixture(scope="module")
def talk(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample ten times, with pauses: five windows or so."""
    voice = media.read(sample.path)
    pause = np.zeros(16_000, np.float32)
    return media.write(tmp_path_factory.mktemp("talk") / "talk.flac", np.concatenate([pause, voice] * 10))


@pytest.mark.fault(113)
def test_a_worker_is_never_ready_whose_slots_cannot_take_jobs(redis: RedisServer, tmp_path: Path) -> None:
    with Redis.from_url(redis.url) as operator:
        rights = ("on", "nopass", "~*", "&*", "+@all", "-lmove", "-blmove")
        operator.execute_command("ACL", "SETUSER", "limited", *rights)
    worker = RunningWorker(redis.url.replace("unix://", "unix://limited:any@"), tmp_path, SCALE)
    try:
        process, states = worker.start(ready=False), [""]

        def has_failed() -> bool:
            states.append(str(worker.presence_of(process)))
            return states[-1] == "failed"

        wait_for(has_failed)
        assert set(states) <= {"", "None", "loading", "failed"}
    finally:
        worker.end()


def expected_text(worker: RunningWorker, talk: Path) -> str:
    """What a job over the recording gives when nothing disturbs it."""
    request = worker.submit(talk)
    assert worker.outcome(request).state == "finished"
    return worker.store.transcript(request.id).text


def test_a_job_becomes_a_transcript(worker: RunningWorker, sample: Sample, tiny_en_model: Path) -> None:
    process = worker.start(engine="faster-whisper", model=str(tiny_en_model), device="cpu")
    (present,) = heartbeat.workers(worker.redis)
    assert (present.pid, present.model) == (process.pid, str(tiny_en_model))
    assert (present.engine, present.device, present.error) == ("faster-whisper", "cpu", "")
    request = worker.submit(sample.path)
    outcome = worker.outcome(request, timeout=60)
    assert (outcome.state, outcome.error) == ("finished", None)
    assert outcome.duration == pytest.approx(11.6, abs=0.2)
    transcript = worker.store.transcript(request.id)
    assert word_error_rate(sample.text, transcript.text) == 0
    assert all(segment.words for segment in transcript.segments)
    worker.wait_for_status(request, "finished")


def test_a_job_tells_what_it_does(worker: RunningWorker, talk: Path) -> None:
    worker.start()
    request = worker.submit(talk)
    worker.outcome(request)
    worker.wait_for_status(request, "finished")
    rows: Any = worker.redis.xrange(f"whisper:events:{request.id}")
    told = [(fields[b"event"].decode(), json.loads(fields[b"data"])) for _, fields in rows]
    states = [data["state"] for name, data in told if name == "state"]
    assert states == ["queued", "started", "finished"]
    processed = [data["processed"] for name, data in told if name == "progress"]
    assert processed == sorted(processed)
    transcript = worker.store.transcript(request.id)
    assert [data["text"] for name, data in told if name == "segment"] == [one.text for one in transcript.segments]
    status = worker.events.status(request.id)
    assert status["processed"] == status["total"] == transcript.duration
    assert status["started_at"] == pytest.approx(time.time(), abs=60)


@pytest.mark.fault(49)
def test_a_canceled_job_in_the_queue_never_runs(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="1", lanes="1", max_batch="1", batch_slots="1")
    running, waiting = worker.submit(talk), worker.submit(talk)
    worker.wait_for_status(running, "started")
    assert worker.jobs.cancel(waiting.id)
    assert worker.outcome(running, timeout=60).state == "finished"
    assert worker.outcome(waiting).state == "canceled"
    assert "progress" not in worker.told(waiting)


@pytest.mark.fault(49)
def test_cancel_frees_the_slot_though_the_model_is_busy(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="60", lanes="1", max_batch="1", batch_slots="1")
    running, waiting = worker.submit(talk), worker.submit(talk)
    worker.wait_for_status(running, "started")
    assert worker.jobs.cancel(running.id)
    worker.wait_for_status(running, "canceled")
    worker.wait_for_status(waiting, "started")
    assert worker.outcome(running).state == "canceled"
    with pytest.raises(JobNotFound):
        worker.store.transcript(running.id)


def test_a_cancel_the_worker_was_not_told_of_ends_the_job_all_the_same(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="1", lanes="1", max_batch="1")
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    assert worker.store.finish(request.id, Outcome("canceled"))  # and Redis was away when it was to be told
    worker.wait_for_status(request, "canceled")
    assert worker.outcome(request).state == "canceled"


BROKEN = {"empty_audio": b"", "unsupported_media": b"<html>expired link</html>"}


@pytest.mark.parametrize("code", BROKEN)
def test_a_recording_that_cannot_be_read_fails_once(worker: RunningWorker, code: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(BROKEN[code])
    if code == "empty_audio":
        media.header_only_wav(path)
    worker.start()
    request = worker.submit(path)
    outcome = worker.outcome(request)
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.code == code
    worker.wait_for_status(request, "failed")
    assert worker.queue.live_ids() == set()
    assert worker.told(request).count("state") == 3, "queued, started, failed: no second try"


@pytest.mark.fault(60)
def test_a_foreign_function_is_refused_and_the_worker_lives(worker: RunningWorker, talk: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    process = worker.start()
    queue = Queue("batch", connection=worker.redis, serializer=JSONSerializer)
    foreign = [
        queue.enqueue_call("os.system", args=(f"touch {canary}",), job_id=new_job_id()),
        queue.enqueue_call("posix.abort", job_id=new_job_id()),
    ]
    for job in foreign:
        wait_for(lambda job=job: job.get_status() == "failed")  # type: ignore[misc]
    assert worker.outcome(worker.submit(talk)).state == "finished"
    assert process.poll() is None
    assert not canary.exists()


def test_an_ended_job_queued_again_is_left_alone(worker: RunningWorker, talk: Path, tmp_path: Path) -> None:
    worker.start()
    (tmp_path / "source").write_bytes(b"no recording")
    done, failed = worker.submit(talk), worker.submit(tmp_path / "source")
    outcomes = [worker.outcome(done), worker.outcome(failed)]
    worker.wait_for_status(done, "finished")
    worker.wait_for_status(failed, "failed")
    told = [worker.told(done), worker.told(failed)]
    worker.queue.enqueue(done)
    FailedJobRegistry("batch", worker.redis, serializer=JSONSerializer).requeue(failed.id)  # as the dashboard does
    worker.wait_for_status(done, "finished")
    wait_for(lambda: len(worker.told(failed)) > len(told[1]))  # run again, it found its outcome
    worker.wait_for_status(failed, "failed")
    assert [worker.outcome(done), worker.outcome(failed)] == outcomes
    again = [worker.told(done), worker.told(failed)]
    assert again == [[*before, "state"] for before in told], "its end is told once more, and nothing else"


def test_a_job_in_the_queue_twice_runs_once(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="0.2", lanes="1", max_batch="1")
    request = worker.submit(talk)
    worker.queue.enqueue(request)
    assert worker.outcome(request).state == "finished"
    wait_for(lambda: worker.queue.live_ids() == set())
    transcript = worker.store.transcript(request.id)
    assert worker.told(request).count("segment") == len(transcript.segments)


def test_a_job_deleted_while_it_runs_leaves_nothing(worker: RunningWorker, talk: Path) -> None:
    process = worker.start(model="0.3", lanes="1", max_batch="1", batch_slots="1")
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    worker.jobs.delete(request)
    assert worker.outcome(worker.submit(talk)).state == "finished"  # the slot is free and well
    assert process.poll() is None
    assert not [path for path in worker.store.root.rglob("*") if request.id in str(path)]
    lasting = [key for key in worker.redis.scan_iter(f"*{request.id}*") if worker.redis.ttl(key) == -1]
    assert lasting == []
    assert "failed unexpectedly" not in worker.log_file.read_text()


def test_a_killed_workers_job_is_taken_over_and_its_transcript_is_the_same(worker: RunningWorker, talk: Path) -> None:
    process = worker.start(model="0.5", lanes="1", max_batch="1")
    undisturbed = expected_text(worker, talk)
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    process.kill()
    process.wait()
    worker.start()
    wait_for(lambda: worker.told(request).count("state") == 3, worker.timing.takeover + START)  # queued, started twice
    assert worker.outcome(request).state == "finished"
    assert worker.store.transcript(request.id).text == undisturbed
    worker.wait_for_status(request, "finished")
    assert worker.outcome(request).attempts == 2


@pytest.mark.fault(4)
@pytest.mark.parametrize("slots", ["1", "3"])
def test_a_stopped_worker_hands_its_job_back_uncounted(worker: RunningWorker, talk: Path, slots: str) -> None:
    process = worker.start(model="30", lanes="1", max_batch="1", batch_slots=slots)
    request = worker.submit(talk)
    worker.wait_for_status(request, "started")
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert worker.status(request) == "queued"
    assert worker.queue.position(request) == 0
    assert worker.store.outcome(request.id) is None
    assert heartbeat.workers(worker.redis) == []
    worker.start()
    assert worker.outcome(request).state == "finished"


@pytest.mark.fault(10)
@pytest.mark.slow
def test_a_job_and_its_end_survive_a_redis_that_crashes(worker: RunningWorker, redis: RedisServer, talk: Path) -> None:
    """Slow: tests/faults/crashes/test_redis.py kills it under a whole service."""
    process = worker.start(model="0.5", lanes="1", max_batch="1")
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    redis.kill()
    wait_for(lambda: worker.store.outcome(request.id))  # it comes to its end while Redis is away
    redis.start()
    worker.wait_for_status(request, "finished")
    assert process.poll() is None
    assert worker.outcome(worker.submit(talk)).state == "finished"


def test_an_idle_worker_stops_at_once(worker: RunningWorker) -> None:
    process = worker.start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert heartbeat.workers(worker.redis) == []


def test_a_worker_stops_though_redis_is_gone(worker: RunningWorker, redis: RedisServer, talk: Path) -> None:
    process = worker.start(model="30", lanes="1", max_batch="1")
    request = worker.submit(talk)
    worker.wait_for_status(request, "started")
    redis.kill()
    try:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        redis.start()
    assert worker.store.outcome(request.id) is None


@pytest.mark.fault(65)
def test_a_worker_without_its_model_stays_up_and_says_why(worker: RunningWorker, talk: Path) -> None:
    process = worker.start(ready=False, engine="faster-whisper", model="nonsense", device="cpu")
    wait_for(lambda: worker.presence_of(process) == "failed")
    (present,) = heartbeat.workers(worker.redis)
    assert "There is no model 'nonsense'" in present.error
    request = worker.submit(talk)
    row = f"whisper:worker:{present.name}"
    half = worker.redis.pttl(row) // 2
    worker.redis.pexpire(row, half)
    wait_for(lambda: worker.redis.pttl(row) > half)  # it goes on beating
    assert process.poll() is None
    assert worker.status(request) == "queued"
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_a_clip_does_not_wait_for_a_long_job(worker: RunningWorker, talk: Path, sample: Sample) -> None:
    worker.start(model="1", lanes="1", max_batch="1")
    long = worker.submit(talk)
    worker.wait_until_decoding(long)
    clip = worker.submit(sample.path, priority="interactive")
    assert worker.outcome(clip).state == "finished"
    assert worker.store.outcome(long.id) is None
    assert worker.outcome(long).state == "finished"


def test_every_slot_takes_a_job(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="1", batch_slots="3")
    requests = [worker.submit(talk) for _ in range(4)]
    wait_for(lambda: sum(worker.status(request) == "started" for request in requests) == 3)
    assert worker.status(requests[3]) == "queued"
    assert [worker.outcome(request).state for request in requests] == ["finished"] * 4


def test_what_was_asked_reaches_the_engine(worker: RunningWorker, sample: Sample, tiny_en_model: Path) -> None:
    worker.start(engine="faster-whisper", model=str(tiny_en_model), device="cpu")
    options = DecodeOptions(language="en", prompt="Ana, Lundon")
    request = worker.submit(sample.path, options=options)
    assert worker.outcome(request, timeout=60).state == "finished"
    transcript = worker.store.transcript(request.id)
    assert "Ana " in transcript.text
    assert not any(segment.words for segment in transcript.segments)
    assert options == worker.store.request(request.id).options
