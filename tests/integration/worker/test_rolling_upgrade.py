"""A worker of the commit before and one of this, on one Redis and one store, as while machines are upgraded in turn.

Slow: each test starts two workers, one of them of a checkout that is made for it.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import media
from tests.conftest import Sample
from tests.integration.running_worker import DEADLINE, ROOT, RunningWorker, redis_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages"),
]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the commit before."""
    git = shutil.which("git")
    if git is None or subprocess.run([git, "rev-parse", "--verify", "-q", "HEAD^"], cwd=ROOT, check=False).returncode:
        pytest.skip("there is no commit before: this is no clone, or a shallow one")
    archive = subprocess.run([git, "archive", "HEAD^"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    directory = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
    return directory


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[RunningWorker]:
    with redis_server() as redis:
        worker = RunningWorker(redis.url, tmp_path, scale=0.1)
        yield worker
        worker.end()


@pytest.fixture(scope="module")
def talk(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample ten times, with pauses: five windows or so."""
    spoken = np.concatenate([np.zeros(16_000, np.float32), media.read(sample.path)] * 10)
    return media.write(tmp_path_factory.mktemp("talk") / "talk.flac", spoken)


@pytest.mark.fault(174)
@pytest.mark.parametrize("is_upgrade", [True, False])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_goes_on_from_one_version_to_the_next(
    worker: RunningWorker, before: Path, talk: Path, is_upgrade: bool, how: signal.Signals
) -> None:
    """Or back, if the upgrade is undone. Nothing that is decoded is decoded again."""
    versions = [before, ROOT] if is_upgrade else [ROOT, before]
    first = worker.start(model="0.5", lanes="1", max_batch="1", code=versions[0])
    undisturbed = worker.submit(talk)
    assert worker.outcome(undisturbed).state == "finished"
    job = worker.submit(talk)
    worker.wait_until_decoding(job)
    first.send_signal(how)
    first.wait(DEADLINE)
    worker.start(model="0.5", lanes="1", max_batch="1", code=versions[1])
    assert worker.outcome(job).state == "finished"
    assert worker.store.transcript(job.id) == worker.store.transcript(undisturbed.id)
    assert worker.told(job).count("segment") == len(worker.store.transcript(job.id).segments)


@pytest.mark.fault(174)
def test_workers_of_two_versions_share_the_jobs(worker: RunningWorker, before: Path, sample: Sample) -> None:
    """Those for any worker, and those that only one of them can do."""
    worker.start(model="0", code=before)
    worker.start(model="0.01")
    names = ("0", "0.01", "whisper-1")
    jobs = {name: [worker.submit(sample.path, model=name) for _ in range(4)] for name in names}
    assert {worker.outcome(job).state for of_it in jobs.values() for job in of_it} == {"finished"}
    for name in names[:2]:
        assert {worker.store.transcript(job.id).model for job in jobs[name]} == {name}
