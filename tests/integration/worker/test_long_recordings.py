"""Long recordings of a worker that has them read in processes of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engines.audio.recordings.reader_process import PROGRAM
from engines.audio.recordings.reader_processes import LONG_FILE
from tests import media
from tests.conftest import Sample
from tests.integration.running_worker import RedisServer, RunningWorker, redis_server, wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

SETTINGS: dict[str, Any] = {"reader_processes": "2", "lanes": "1", "max_batch": "1", "batch_slots": "2"}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def worker(redis: RedisServer, tmp_path: Path) -> Iterator[RunningWorker]:
    running = RunningWorker(redis.url, tmp_path, 0.1)
    yield running
    running.end()


@pytest.fixture(scope="module")
def talk(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More windows than lie ready while they are decoded."""
    voice = np.concatenate([np.zeros(16_000, np.float32), media.read(sample.path)])
    path = media.write(tmp_path_factory.mktemp("talk") / "talk.wav", np.tile(voice, 60))
    assert path.stat().st_size >= LONG_FILE
    return path


def readers(worker: RunningWorker) -> list[psutil.Process]:
    owner = psutil.Process(worker.processes[-1].pid)
    return [each for each in owner.children() if PROGRAM in each.cmdline()]


@pytest.mark.fault(201)
def test_a_crash_over_a_recording_ends_its_job_alone(worker: RunningWorker, talk: Path) -> None:
    process = worker.start(model="0.1", **SETTINGS)
    broken = worker.submit(talk)
    worker.wait_until_decoding(broken)
    (reader,) = readers(worker)
    sound = worker.submit(talk)
    wait_for(lambda: len(readers(worker)) == 2)
    reader.send_signal(signal.SIGSEGV)
    outcome = worker.outcome(broken)
    assert outcome.error is not None
    assert (outcome.state, outcome.error.code) == ("failed", "unsupported_media")
    assert "Convert it" in outcome.error.message
    assert worker.outcome(sound).state == "finished"
    assert process.poll() is None


@pytest.mark.fault(201)
def test_a_job_whose_reader_is_killed_is_tried_again(worker: RunningWorker, talk: Path) -> None:
    process = worker.start(model="0.1", **SETTINGS)
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    (reader,) = readers(worker)
    reader.kill()
    assert worker.outcome(request).state == "finished"
    assert process.poll() is None
    undisturbed = worker.submit(talk)
    assert worker.outcome(undisturbed).state == "finished"
    assert worker.store.transcript(request.id) == worker.store.transcript(undisturbed.id)
    assert len(readers(worker)) == 1


@pytest.mark.fault(202)
def test_readers_end_with_a_worker_that_is_killed(worker: RunningWorker, talk: Path) -> None:
    process = worker.start(model="0.1", **SETTINGS)
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    (reader,) = readers(worker)
    process.kill()
    wait_for(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE)
    process.wait()
    worker.start(model="0", **SETTINGS)
    assert worker.outcome(request).state == "finished"


def test_a_job_that_is_canceled_leaves_no_reader_at_work(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="0.1", **SETTINGS)
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    (reader,) = readers(worker)
    worker.jobs.cancel(request.id)
    assert worker.outcome(request).state == "canceled"
    wait_for(lambda: not reader.is_running())
    again = worker.submit(talk)
    assert worker.outcome(again).state == "finished"


def test_a_cpu_needs_no_processes_to_read(worker: RunningWorker, talk: Path) -> None:
    worker.start(model="0.1")
    request = worker.submit(talk)
    worker.wait_until_decoding(request)
    assert readers(worker) == []
