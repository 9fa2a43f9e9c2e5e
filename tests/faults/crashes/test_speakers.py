"""A job that tells speakers apart and is killed in its midst says the same of them in the end, to the last byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines.base import DecodeOptions, Listening
from tests import media
from tests.acceptance.openai.test_speakers import hum
from tests.faults.processes import windows
from tests.integration.running_worker import RunningWorker, redis_server, wait_for
from worker.store.records import Diarization, JobRequest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

KILLS = 3


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[RunningWorker]:
    with redis_server() as server:
        running = RunningWorker(server.url, tmp_path, 0.1)
        yield running
        running.end()


def submit(worker: RunningWorker, meeting: Path) -> JobRequest:
    options = DecodeOptions(words=True, listening=Listening(voice_activity=False))  # humming is no speech
    return worker.submit(meeting, options=options, diarization=Diarization(max_speakers=3))


def record(worker: RunningWorker, request: JobRequest) -> bytes:
    return (worker.store.source(request.id).parent / "transcript.json").read_bytes()


@pytest.mark.fault(2)
@pytest.mark.slow
def test_three_kills_change_no_label(worker: RunningWorker, tmp_path: Path) -> None:
    """Slow: four workers one after another."""
    turns = [(pitch, 4.0 + at % 3) for at in range(10) for pitch in (200.0, 400.0, 600.0, 420.0)]
    meeting = media.write(tmp_path / "meeting.wav", hum(*turns).astype(np.float32))  # about seven windows
    worker.start(speaker_model="fake")
    undisturbed = submit(worker, meeting)
    assert worker.outcome(undisturbed).state == "finished"
    worker.processes[0].kill()
    request = submit(worker, meeting)
    directory = worker.store.source(request.id).parent

    def kept() -> int:
        return len({window for path in directory.glob("checkpoint.*.jsonl") for window in windows(path)})

    for _ in range(KILLS):
        known = kept()
        victim = worker.start(speaker_model="fake", lanes="1", max_batch="1", model="0.5")
        worker.maintenance.run_once()
        wait_for(lambda known=known: kept() > known)  # type: ignore[misc]  # mypy cannot infer a default's type
        victim.kill()
        victim.wait()
    worker.start(speaker_model="fake")
    outcome = worker.outcome(request)
    assert (outcome.state, outcome.attempts > 1) == ("finished", True)
    assert [speaker.label for speaker in outcome.speakers] == ["A", "B", "C"]
    assert record(worker, request) == record(worker, undisturbed)
    assert b"voiceprint" not in record(worker, request)
