"""A worker that is killed, stopped, frozen or hung costs the windows it had in hand, and no more."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engines.base import DecodeOptions
from tests import media
from tests.acceptance.jobs.test_events import follow, segments
from tests.acceptance.live import LiveService, until
from tests.conftest import Sample
from tests.faults.processes import kill, lose_power, process, windows
from tests.faults.small_disk import mounted
from tests.integration.running_worker import RunningWorker, redis_server, wait_for
from worker.runtime.exit_codes import ASKED_TWICE, HUNG
from worker.runtime.timing import Timing
from worker.store.records import JobRequest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

SCALE = 0.1  # of all the service's own durations
# Seconds another worker has to start and to begin, which no scale shortens; more if other files run at the same time.
START = 30.0 if "PYTEST_XDIST_WORKER" in os.environ else 5.0
SUPERVISED = Timing().scaled(SCALE).restart_killed + START  # … after which a killed one's job goes on
SMALL_DISK = 24 * 1024 * 1024  # bytes


def takeover(worker: RunningWorker) -> float:
    """Seconds after which a silent worker's job goes on with another."""
    return worker.timing.takeover + START


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[RunningWorker]:
    running = RunningWorker(redis_url, tmp_path, SCALE)
    yield running
    running.end()


@pytest.fixture(scope="module")
def lecture(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight windows or so."""
    return repeated(sample, 15, tmp_path_factory.mktemp("lecture"))


def repeated(sample: Sample, times: int, folder: Path) -> Path:
    """The sample so many times, with pauses: half as many windows or so."""
    voice = media.read(sample.path)
    pause = np.zeros(16_000, np.float32)
    return media.write(folder / "talk.flac", np.concatenate([pause, voice] * times))


def transcript(service: LiveService, job_id: str) -> Any:
    query = {"format": "verbose_json", "timestamp_granularities": "word"}
    return service.get(f"/v1/jobs/{job_id}/transcript", **query).json()


def start(worker: RunningWorker, **settings: Any) -> subprocess.Popen[bytes]:
    """A worker that decodes one window at a time."""
    return worker.start(lanes="1", max_batch="1", **settings)


def directory(worker: RunningWorker, request: JobRequest) -> Path:
    return worker.store.source(request.id).parent


def kept(worker: RunningWorker, request: JobRequest) -> set[int]:
    """The windows that all attempts so far have kept."""
    return {number for path in directory(worker, request).glob("checkpoint.*") for number in windows(path)}


@pytest.mark.fault(1)
def test_a_killed_workers_job_goes_on_where_it_was(start_service: Callable[..., LiveService], long_file: Path) -> None:
    """Takes over 10 s: eleven windows of half a second, twice, so that a kill finds one under way."""
    service = start_service(
        "killed",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="0.5",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_TIME_SCALE=str(SCALE),
    )
    undisturbed = service.submit(long_file)
    assert service.ended(undisturbed)["status"] == "finished"
    job_id = service.submit(long_file)
    files = service.data / "jobs" / job_id
    until(lambda: len(windows(files / "checkpoint.1.jsonl")) >= 4, "four windows are kept")
    kill(process(service, "worker"))
    done = windows(files / "checkpoint.1.jsonl")
    progress = service.job(job_id)["processed_seconds"]
    until(lambda: (files / "checkpoint.2.jsonl").exists(), "another worker goes on", timeout=SUPERVISED)
    until(lambda: any(windows(path) for path in files.glob("checkpoint.2.*")), "it decodes a window")
    (again,) = (windows(path) for path in files.glob("checkpoint.2.*"))
    assert again[0] == done[-1] + 1
    assert service.ended(job_id)["status"] == "finished"
    assert service.job(job_id)["processed_seconds"] > progress > 0
    assert transcript(service, job_id) == transcript(service, undisturbed)
    told = segments(list(follow(service, job_id)))
    assert [row["id"] for row in told] == list(range(len(told))), "no segment is told twice, and none is missing"
    assert not list(files.glob("checkpoint.*"))


@pytest.mark.fault(1)
@pytest.mark.fault(8)
@pytest.mark.parametrize("scale", [SCALE, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_silent_workers_job_is_taken_over_and_its_late_result_is_refused(
    redis_url: str, tmp_path: Path, lecture: Path, scale: float
) -> None:
    """At a tenth of the time, and once in its full length: that a lease is one of 30 s is a promise."""
    worker = RunningWorker(redis_url, tmp_path, scale)
    try:
        is_taken_over(worker, lecture)
    finally:
        worker.end()


def is_taken_over(worker: RunningWorker, lecture: Path) -> None:
    frozen = start(worker, model="0.3")
    undisturbed = worker.submit(lecture)
    assert worker.outcome(undisturbed).state == "finished"
    request = worker.submit(lecture)
    wait_for(lambda: len(kept(worker, request)) >= 2)
    frozen.send_signal(signal.SIGSTOP)
    silent_since = time.monotonic()
    start(worker, model="0.3")
    wait_for(lambda: (directory(worker, request) / "checkpoint.2.jsonl").exists(), takeover(worker))
    silent_for = time.monotonic() - silent_since
    assert worker.timing.lease - worker.timing.beat < silent_for < takeover(worker)
    frozen.send_signal(signal.SIGCONT)
    outcome = worker.outcome(request, timeout=60)
    assert (outcome.state, outcome.attempts) == ("finished", 2)
    wait_for(lambda: "another worker" in worker.log_file.read_text().lower())
    assert worker.store.transcript(request.id).segments == worker.store.transcript(undisturbed.id).segments
    worker.wait_for_status(request, "finished")
    assert worker.told(request).count("state") == worker.told(undisturbed).count("state") + 2, "started, thrice"
    assert frozen.poll() is None


@pytest.mark.fault(2)
@pytest.mark.slow
def test_kills_in_a_row_end_no_job_that_gets_further(worker: RunningWorker, sample: Sample, tmp_path: Path) -> None:
    """Slow: ten starts, each after the lease of the last; one kill is tried by the tests above."""
    kills = 10
    lecture = repeated(sample, 10 + 2 * kills, tmp_path)
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown where the test fails
    moments = random.Random(seed)
    worker.start()
    undisturbed = worker.submit(lecture)
    assert worker.outcome(undisturbed).state == "finished"
    worker.processes[0].kill()
    request = worker.submit(lecture)
    for _ in range(kills):
        known = len(kept(worker, request))
        victim = start(worker, model="0.5")  # so slow that all kills come before the end
        worker.maintenance.run_once()  # as an API beside it does all the time
        wait_for(lambda known=known: len(kept(worker, request)) > known)  # type: ignore[misc]
        time.sleep(moments.uniform(0.0, 0.3))  # the moment is what is tried
        victim.kill()
        victim.wait()
    worker.start()
    outcome = worker.outcome(request)
    assert outcome.state == "finished"
    assert outcome.attempts > kills / 2, "some were killed while the job waited"
    assert worker.store.transcript(request.id).segments == worker.store.transcript(undisturbed.id).segments


@pytest.mark.fault(3)
def test_a_recording_that_kills_its_worker_is_given_up_and_nobody_else_pays(
    start_service: Callable[..., LiveService], talk_file: Path
) -> None:
    """Takes over 10 s: three deaths, each with a new worker."""
    settings = {"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "1", "WHISPER_BATCH_SLOTS": "3"}
    service = start_service("poison", **settings, WHISPER_TIME_SCALE=str(SCALE))
    innocents = [service.submit(talk_file) for _ in range(2)]
    until(lambda: all(service.job(job_id)["status"] == "started" for job_id in innocents), "they run")
    poison = service.submit(talk_file, prompt="die at 0")
    ended = service.ended(poison)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "worker_crashed")
    assert "3 times" in ended["error"]["message"]
    for job_id in innocents:
        assert service.ended(job_id)["status"] == "finished"
    assert service.ended(service.submit(talk_file))["status"] == "finished"
    deaths = service.log().count("was ended by SIGKILL")
    assert deaths == 3


@pytest.mark.fault(112)
@pytest.mark.slow
def test_three_losses_of_power_within_a_window_end_no_job(tmp_path: Path, clip: Path) -> None:
    """Slow: four starts of a service."""
    settings = {"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "100", "WHISPER_TIME_SCALE": str(SCALE)}
    service = LiveService(tmp_path, settings)
    service.start()
    try:
        job_id = service.submit(clip)
        files = service.data / "jobs" / job_id
        for number in (1, 2, 3):
            until((files / f"checkpoint.{number}.jsonl").exists, "it is being decoded")
            lose_power(service)
            assert not windows(files / f"checkpoint.{number}.jsonl"), "its only window is not done"
            if number == 3:
                settings["WHISPER_MODEL"] = "0"  # quick from here on; the job was sent without a model
            service.start()
        job = service.ended(job_id)
        assert (job["status"], job["attempts"]) == ("finished", 4)
    finally:
        service.stop()


@pytest.mark.fault(5)
def test_a_second_sigterm_ends_the_worker_at_once(worker: RunningWorker, lecture: Path) -> None:
    stubborn = start(worker, model="30")
    request = worker.submit(lecture)
    worker.wait_for_status(request, "started")
    stubborn.send_signal(signal.SIGTERM)
    wait_for(lambda: "Stopping" in worker.log_file.read_text())
    stubborn.send_signal(signal.SIGTERM)
    assert stubborn.wait(60) == ASKED_TWICE, "the first alone waits for the pass in hand, then ends in good order"
    worker.start()
    assert worker.outcome(request).state == "finished"


@pytest.mark.fault(6)
def test_the_children_of_a_killed_supervisor_end_and_the_next_one_goes_on(tmp_path: Path, long_file: Path) -> None:
    """Takes over 10 s: two starts of a service, and what was left of eleven windows."""
    settings = {"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "0.5", "WHISPER_LANES": "1", "WHISPER_MAX_BATCH": "1"}
    service = LiveService(tmp_path, {**settings, "WHISPER_TIME_SCALE": str(SCALE)})
    service.start()
    try:
        job_id = service.submit(long_file)
        files = service.data / "jobs" / job_id
        until(lambda: len(windows(files / "checkpoint.1.jsonl")) >= 2, "two windows are kept")
        supervisor = psutil.Process(service._process.pid)
        children = supervisor.children(recursive=True)
        kill(supervisor)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == []
        done = {number for path in files.glob("checkpoint.*") for number in windows(path)}
        service.stop()
        service.start()
        assert service.ended(job_id)["status"] == "finished"
        assert len(done) >= 2
    finally:
        service.stop()


@pytest.mark.fault(7)
def test_a_job_that_two_workers_are_told_of_runs_once(worker: RunningWorker, lecture: Path) -> None:
    for _ in range(2):
        start(worker, model="0.1")
    request = worker.submit(lecture)
    for _ in range(4):
        worker.redis.rpush("rq:queue:batch", request.id)
    assert worker.outcome(request).state == "finished"
    wait_for(lambda: worker.queue.length("batch") == 0)
    worker.wait_for_status(request, "finished")
    assert worker.told(request).count("state") == 3, "queued, started, finished"


@pytest.mark.slow
def test_a_hung_pass_ends_the_worker_and_the_job_is_given_up_in_the_end(worker: RunningWorker, lecture: Path) -> None:
    """Slow: three workers that hang, and a lease after each."""
    options = DecodeOptions(words=True, prompt="hang at 0")
    request = worker.submit(lecture, options=options)
    for _ in range(3):
        hung = start(worker, ready=False, pass_timeout="1")
        assert hung.wait(60) == HUNG
    worker.start()
    outcome = worker.outcome(request)
    assert outcome.error is not None
    assert outcome.error.code == "worker_crashed"


@pytest.mark.fault(4)
def test_windows_in_hand_are_kept_when_a_worker_is_stopped(worker: RunningWorker, lecture: Path) -> None:
    process = start(worker, model=str(worker.timing.hand_back / 2))
    request = worker.submit(lecture)
    wait_for(lambda: kept(worker, request))
    known = kept(worker, request)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert kept(worker, request) >= known | {max(known) + 1}, "the one in hand too"
    assert worker.status(request) == "queued"
    worker.start()
    assert worker.outcome(request).attempts == 1


@pytest.mark.fault(19)
@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 0])
def test_memory_that_runs_out_halves_the_passes(worker: RunningWorker, lecture: Path, most: int) -> None:
    """Slow: passes of a second, so that windows gather for the next on a busy machine, too."""
    process = worker.start(model="1", lanes="1", max_batch="4")
    request = worker.submit(lecture, options=DecodeOptions(words=True, prompt=f"oom above {most}"))
    if most == 0:
        wait_for(lambda: (retry := worker.store.retry(request.id)) and retry.cause.code == "out_of_memory")
    else:
        assert worker.outcome(request).state == "finished"
        assert "ran out of memory: from now on" in worker.log_file.read_text()
    assert worker.outcome(worker.submit(lecture)).state == "finished"
    assert process.poll() is None


@pytest.mark.fault(18)
def test_a_result_that_finds_no_room_is_written_once_there_is(redis_url: str, tmp_path: Path, lecture: Path) -> None:
    """Takes over 10 s: a worker that waits for room, and eight windows."""
    disk = tmp_path / "disk"
    with mounted(disk, SMALL_DISK):
        runs_into_a_full_disk(RunningWorker(redis_url, disk, SCALE), disk / "filler", lecture)


def runs_into_a_full_disk(worker: RunningWorker, filler: Path, lecture: Path) -> None:
    try:
        process = start(worker, model="0.4")  # too slow to end before the disk is full
        request = worker.submit(lecture)
        wait_for(lambda: len(kept(worker, request)) >= 2)
        fill(filler)
        wait_for(lambda: worker.status(request) == "stopped", 60)
        assert worker.store.outcome(request.id) is None
        assert worker.store.source(request.id).exists()
        assert process.poll() is None
        filler.unlink()
        worker.maintenance = worker.new_maintenance()  # looks at once
        outcome = worker.outcome(request)
        assert (outcome.state, outcome.attempts) == ("finished", 1)
    finally:
        worker.end()


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
