"""What a clip costs in requests to the store, each of them milliseconds away: at the API, and at the worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from obstore.store import MemoryStore

import engines.audio.recordings.recording
from tests import media
from tests.unit.api_service import WAV, serving
from tests.unit.factories import loud_frames
from tests.unit.worker.running.test_job_runner import Bench
from worker.queue.run_end import Finished
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore

MOST_OF_API = 10
MOST_OF_WORKER = 9


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def bench(tmp_path: Path, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(engines.audio.recordings.recording, "speech_frames", loud_frames)
    bench = Bench(tmp_path, store=ObjectStore(Bucket(memory), tmp_path / "worker"))
    yield bench
    bench.engine.gate.set()
    bench.batcher.close()


def test_a_worker_asks_the_store_few_times_for_a_clip(bench: Bench, tmp_path: Path, memory: MemoryStore) -> None:
    store: ObjectStore = bench.jobs.store  # type: ignore[assignment]  # the fixture made it one
    sender = ObjectStore(Bucket(memory), tmp_path / "api")
    clip = media.write(tmp_path / "clip.wav", (0.2 * np.sin(np.arange(48_000) / 10)).astype(np.float32)).read_bytes()
    bench.store = sender  # who submits is on another machine
    job_id = bench.add(clip, kind="sync")
    before = store.bucket.calls
    assert bench.runner.run(job_id, "interactive") == Finished()
    assert store.bucket.calls - before <= MOST_OF_WORKER
    outcome = sender.outcome(job_id)
    assert outcome is not None
    assert outcome.state == "finished"
    left = {entry.name for entry in sender.bucket.list(f"jobs/{job_id}/")}
    assert left == {"job.json", "outcome.json", "source", "transcript.json"}


@pytest.mark.asyncio
async def test_an_api_asks_the_store_few_times_for_a_clip(tmp_path: Path, memory: MemoryStore) -> None:
    of_api = ObjectStore(Bucket(memory), tmp_path / "api")
    of_worker = ObjectStore(Bucket(memory), tmp_path / "worker")
    async with serving(tmp_path / "data", store=of_api) as running:
        running.store = of_worker  # type: ignore[assignment]  # what plays the worker is on another machine
        before = of_api.bucket.calls
        running.then(running.finish)
        files = {"file": ("clip.wav", WAV)}
        answer = await running.client.post("/v1/audio/transcriptions", files=files, data={"model": "base"})
        assert answer.json()["text"] == "Hello there. Bye now."
        assert of_api.bucket.calls - before <= MOST_OF_API
