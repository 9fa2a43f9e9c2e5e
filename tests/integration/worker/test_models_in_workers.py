"""Several models in one worker, memory that is really given back, a worker for each device: with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from scripts.service.foreground import _children
from scripts.service.supervisor import Supervisor
from tests import media
from tests.conftest import Sample
from tests.integration.running_worker import DEADLINE, RunningWorker, redis_server, wait_for
from worker.fleet.identity import process_of
from worker.queue import heartbeat
from worker.queue.dead_workers import DeadWorkers
from worker.runtime.exit_codes import IDLE
from worker.store.job_store import LocalStore
from worker.store.records import JobRequest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

ROOT = Path(__file__).parents[3]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[RunningWorker]:
    with redis_server() as redis:
        worker = RunningWorker(redis.url, tmp_path)
        yield worker
        worker.end()


@pytest.fixture(scope="module")
def talk(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample twenty times, with pauses: ten windows or so."""
    spoken = np.concatenate([np.zeros(16_000, np.float32), media.read(sample.path)] * 20)
    return media.write(tmp_path_factory.mktemp("talk") / "talk.flac", spoken)


def loaded(worker: RunningWorker) -> list[str]:
    return [row.loaded for row in heartbeat.workers(worker.redis)]


def model_of(worker: RunningWorker, request: JobRequest) -> str:
    return worker.store.transcript(request.id).model


def test_a_job_is_decoded_by_the_model_it_names(worker: RunningWorker, sample: Sample) -> None:
    worker.start(model="0", models="0.01,0.02")
    named = worker.submit(sample.path, model="0.02")
    assert worker.outcome(named).state == "finished"
    assert model_of(worker, named) == "0.02"
    wait_for(lambda: loaded(worker) == ["0.02"])
    default = worker.submit(sample.path, model="whisper-1")
    assert worker.outcome(default).state == "finished"
    assert model_of(worker, default) == "0"


def test_a_model_that_cannot_be_loaded_holds_up_its_job_and_no_other(worker: RunningWorker, sample: Sample) -> None:
    worker.start(engine="faster-whisper", model="base", models="./nothing-here", offline="true", max_loaded_models="2")
    missing = worker.submit(sample.path, model="./nothing-here")
    wait_for(lambda: worker.store.retry(missing.id))
    retry = worker.store.retry(missing.id)
    assert retry is not None
    assert retry.cause.code == "model_not_found"
    assert "nothing-here" in retry.cause.message
    assert worker.outcome(worker.submit(sample.path, model="base")).state == "finished"


@pytest.mark.slow
def test_an_idle_worker_gives_its_memory_back_and_works_on(worker: RunningWorker, sample: Sample) -> None:
    """Under its supervisor: the process with the model goes, one without comes, and the next job loads the model. Takes
    over 10 s: real weights are loaded twice, and idleness is one of 3 s.

    Slow: it loads its model twice."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WHISPER_")}
    own = {"REDIS_URL": worker.url, "DATA_DIR": str(worker.store.root), "MODEL": "base", "MODEL_TTL": "3"}
    env |= {f"WHISPER_{name}": value for name, value in own.items()}
    code = (
        "import logging; logging.basicConfig(level='INFO'); from pathlib import Path; "
        "from scripts.service.foreground import _children; from scripts.service.supervisor import Supervisor; "
        "from worker.queue.dead_workers import DeadWorkers; from worker.store.job_store import LocalStore; "
        f"dead = DeadWorkers({worker.url!r}, LocalStore(Path({str(worker.store.root)!r}))); "
        f"Supervisor([spec for spec in _children(None, {worker.url!r}, 0, dead) if spec.name == 'worker']).run()"
    )
    with open(worker.log_file, "ab") as log:
        supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        assert worker.outcome(worker.submit(sample.path)).state == "finished"
        before = tree(supervisor)
        wait_for(lambda: [row.state for row in heartbeat.workers(worker.redis)] == ["idle"])
        after = tree(supervisor)
        assert after < before - 50e6, (before, after)
        again = worker.submit(sample.path)
        assert worker.outcome(again).state == "finished"
        wait_for(lambda: loaded(worker) == ["base"])
    finally:
        supervisor.terminate()
        supervisor.wait(DEADLINE)


def tree(process: subprocess.Popen[bytes]) -> int:
    """Resident memory of a process and its children, in bytes."""
    root = psutil.Process(process.pid)
    return sum(each.memory_info().rss for each in [root, *root.children(recursive=True)])


def test_work_goes_before_idleness(worker: RunningWorker, talk: Path) -> None:
    request = worker.submit(talk)
    process = worker.start(ready=False, model="0.3", model_ttl="0.5")
    assert worker.outcome(request).state == "finished"
    wait_for(lambda: process.poll() is not None)
    assert process.returncode == IDLE


def test_two_devices_work_on_the_same_queue_at_once(worker: RunningWorker, talk: Path) -> None:
    for device in ("cuda:0", "cuda:1"):  # the engine in this test needs none
        worker.start(model="0.3", device=device, batch_slots="1")
    requests = [worker.submit(talk) for _ in range(2)]
    for request in requests:
        worker.wait_until_decoding(request)
    assert {worker.outcome(request).state for request in requests} == {"finished"}
    assert len({process_of(str(worker.record(request).worker_name)) for request in requests}) == 2


def test_a_second_worker_waits_for_its_device(worker: RunningWorker) -> None:
    first = worker.start(device="cuda:0")
    second = worker.start(device="cuda:0", ready=False)
    wait_for(lambda: "holds the device cuda:0" in worker.log_file.read_text())
    assert worker.presence_of(second) == "loading"
    first.terminate()
    wait_for(lambda: worker.presence_of(second) == "ready")


def test_the_supervisor_runs_a_worker_for_each_device(tmp_path: Path) -> None:
    url = "redis://127.0.0.1:1/0"
    specs = _children(None, url, 9001, DeadWorkers(url, LocalStore(tmp_path)), ["cuda:0", "cuda:1"])
    assert [spec.name for spec in specs][:3] == ["worker cuda:0", "worker cuda:1", "api"]
    assert [spec.env.get("WHISPER_DEVICE") for spec in specs][:3] == ["cuda:0", "cuda:1", None]
    assert Supervisor(specs)


def test_a_long_recording_makes_room_for_a_clip_with_another_model(
    worker: RunningWorker, talk: Path, sample: Sample
) -> None:
    """And goes on where it was, without a word twice."""
    worker.start(model="0.5", models="0", model_turn="0", lanes="1", max_batch="1")
    long = worker.submit(talk)
    worker.wait_until_decoding(long)
    clip = worker.submit(sample.path, model="0", priority="interactive")
    assert worker.outcome(clip).state == "finished"
    assert worker.store.outcome(long.id) is None
    assert worker.outcome(long).state == "finished"
    assert worker.told(long).count("segment") == len(worker.store.transcript(long.id).segments)


@pytest.mark.slow
@pytest.mark.fault(172)
def test_a_job_goes_on_with_the_worker_that_serves_its_model(worker: RunningWorker, sample: Sample) -> None:
    """Whoever of the two takes it first. Slow: the first ones wait until their worker sees the new queue."""
    worker.start(model="0")
    worker.start(model="0.01")
    small, large = ([worker.submit(sample.path, model=name) for _ in range(3)] for name in ("0", "0.01"))
    assert {worker.outcome(request).state for request in [*small, *large]} == {"finished"}
    assert {model_of(worker, request) for request in large} == {"0.01"}
