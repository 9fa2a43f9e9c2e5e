"""A worker that has had thousands of clips is no larger than one that has had a thousand."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests import media
from tests.conftest import Sample
from tests.integration.running_worker import RunningWorker, redis_server, wait_for

CLIPS = 1000
MOST = 4.0  # MB that a thousand clips may add: what the allocator makes of it. 10 kB that each leaves behind are 10


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory is a process's own")
def test_clips_leave_nothing_behind(tmp_path: Path, sample: Sample) -> None:
    """Takes minutes: the first thousand fills caches, and only the two after it say whether anything stays."""
    clip = media.write(tmp_path / "clip.wav", media.read(sample.path)[16_000:32_000])
    with redis_server() as redis:
        worker = RunningWorker(redis.url, tmp_path)
        try:
            process = psutil.Process(worker.start().pid)
            sizes = [_after(worker, clip, process) for _ in range(3)]
        finally:
            worker.end()
    assert min(sizes[1] - sizes[0], sizes[2] - sizes[1]) < MOST, sizes  # what stays is added by every thousand


def _after(worker: RunningWorker, clip: Path, process: psutil.Process) -> float:
    """Megabytes that the worker has to itself after so many clips, one after the other."""
    for _ in range(CLIPS):
        request = worker.submit(clip, priority="interactive")
        wait_for(lambda request=request: worker.store.outcome(request.id) is not None)  # type: ignore[misc]
    return float(process.memory_full_info().uss) / 1e6
