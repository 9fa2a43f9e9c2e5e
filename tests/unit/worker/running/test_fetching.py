"""A job's recording that is fetched: a step of the job, in a queue of its own, which costs it time and not its end."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakeredis import FakeRedis

from engines.decoding.batcher import Batcher
from engines.errors import EngineUnavailable
from tests.receiver import Reply, receiving, statuses
from tests.source import serves
from tests.unit.factories import make_request, wait_for
from worker.models.names import ModelNames
from worker.models.pool import ModelPool
from worker.outbound.addresses import RECORDINGS, AddressBook, Policy
from worker.outbound.client import tls_context
from worker.outbound.download import Downloader, DownloadLimits
from worker.queue.events import Events
from worker.queue.job_queue import FETCH, JobQueue
from worker.queue.run_end import Canceled, End, Failed, Postponed, Requeue, Skipped
from worker.running.attempt import DecodingLimits
from worker.running.fetching import Fetcher
from worker.running.job_access import JobAccess
from worker.running.job_runner import JobRunner
from worker.store.incoming import PartTaken
from worker.store.job_store import LocalStore
from worker.store.local.partial_source import LocalPartialSource
from worker.store.records import Outcome, Priority

BODY = bytes(range(256)) * 1024


def no_model(model: str) -> Batcher:
    raise EngineUnavailable("Nothing is decoded here.")


class Bench:
    """Jobs with a URL, and a runner that may fetch from this machine. It has no model."""

    def __init__(self, root: Path) -> None:
        self.store = LocalStore(root)
        self.redis = FakeRedis()
        self.queue = JobQueue(self.redis)
        self.jobs = JobAccess(self.store, self.queue, Events(self.redis))
        self.runner = self.new_runner()

    def new_runner(self, min_free: int = 0) -> JobRunner:
        book = AddressBook(Policy((ipaddress.ip_network("127.0.0.0/8"),), purpose=RECORDINGS))
        downloader = Downloader(book, tls_context(None), DownloadLimits(len(BODY), 60.0, 30.0, 1024))
        fetcher = Fetcher(self.store, downloader, min_free)
        return JobRunner(self.jobs, ModelNames("base"), ModelPool(no_model), DecodingLimits(5, 3600.0), fetcher)

    def add(self, url: str, priority: Priority = "batch") -> str:
        upload = self.store.receive()
        upload.refer(url)
        upload.commit(replace(make_request(upload.id, size=0), url=url, priority=priority))
        return upload.id

    def fetched(self, job_id: str) -> bytes:
        return self.store.source(job_id).read_bytes()

    def files(self, job_id: str) -> set[str]:
        return {path.name for path in self.store.source(job_id).parent.iterdir()}

    def outcome(self, job_id: str) -> Outcome:
        outcome = self.store.outcome(job_id)
        assert outcome is not None
        return outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Run(threading.Thread):
    """A slot's thread. `end` is what the run returned."""

    end: End | None = None

    def __init__(self, bench: Bench, job_id: str) -> None:
        super().__init__()
        self._bench, self._job_id = bench, job_id
        self.start()

    def run(self) -> None:
        self.end = self._bench.runner.run(self._job_id, FETCH)

    def ended(self) -> End | None:
        self.join(60)
        assert not self.is_alive()
        return self.end


def test_a_job_goes_to_be_fetched_and_back_to_the_head_of_its_queue(bench: Bench) -> None:
    with receiving(serves(BODY)) as source:
        job_id = bench.add(source.url(), priority="interactive")
        end = bench.runner.run(job_id, "interactive")
        assert (isinstance(end, Requeue), end.queue, end.at_front) == (True, FETCH, False)  # type: ignore[union-attr]
        assert source.requests == [], "no slot of the model's waits for it"
        end = bench.runner.run(job_id, FETCH)
    assert (isinstance(end, Requeue), end.queue, end.at_front) == (True, "interactive", True)  # type: ignore[union-attr]
    assert bench.fetched(job_id) == BODY
    assert bench.files(job_id) == {"source", "job.json"}


def test_what_is_fetched_is_not_fetched_again(bench: Bench) -> None:
    with receiving(serves(BODY)) as source:
        job_id = bench.add(source.url())
        bench.runner.run(job_id, FETCH)
        assert isinstance(bench.runner.run(job_id, FETCH), Requeue)
        assert len(source.requests) == 1


def test_trouble_puts_it_aside_and_the_next_try_goes_on(bench: Bench) -> None:
    with receiving(serves(BODY, Reply(503), Reply(body=BODY, cut=100_000))) as source:
        job_id = bench.add(source.url())
        assert isinstance(bench.runner.run(job_id, FETCH), Postponed)
        retry = bench.store.retry(job_id)
        assert retry is not None
        assert (retry.cause.code, retry.tries) == ("url_unreachable", 1)
        assert isinstance(bench.runner.run(job_id, FETCH), Postponed)
        assert isinstance(bench.new_runner().run(job_id, FETCH), Requeue)
        assert "range" in source.wait(3)[2].headers
    assert bench.fetched(job_id) == BODY
    assert bench.store.retry(job_id) is None


@pytest.mark.parametrize(("status", "code"), [(404, "url_not_found"), (403, "url_refused")])
def test_what_is_the_sources_fault_ends_it(bench: Bench, status: int, code: str) -> None:
    with receiving(statuses(status)) as source:
        job_id = bench.add(source.url("/a?sig=s3cret"))
        assert isinstance(bench.runner.run(job_id, FETCH), Failed)
    error = bench.outcome(job_id).error
    assert error is not None
    assert error.code == code
    assert "s3cret" not in error.message


def test_a_recording_that_is_too_large_leaves_nothing_behind(bench: Bench) -> None:
    with receiving(statuses(Reply(endless=True))) as source:
        job_id = bench.add(source.url())
        assert isinstance(bench.runner.run(job_id, FETCH), Failed)
    assert bench.files(job_id) == {"job.json", "outcome.json"}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("worker.outbound.download.BEAT", 0.02)
    with receiving(serves(BODY, Reply(body=BODY, cut=100_000, stays=True))) as source:
        yield source.url()


def test_a_cancel_ends_a_download_that_hangs(bench: Bench, silent: str) -> None:
    job_id = bench.add(silent)
    run = Run(bench, job_id)
    wait_for(lambda: "fetch.part" in bench.files(job_id))
    assert bench.store.finish(job_id, Outcome("canceled"))
    assert isinstance(run.ended(), Canceled)
    assert bench.files(job_id) == {"job.json", "outcome.json"}


def test_a_delete_ends_a_download_that_hangs(bench: Bench, silent: str) -> None:
    job_id = bench.add(silent)
    run = Run(bench, job_id)
    wait_for(lambda: "fetch.part" in bench.files(job_id))
    bench.store.delete(job_id)
    assert isinstance(run.ended(), Canceled | Skipped)
    assert not bench.store.has(job_id)


def test_a_worker_that_stops_hands_it_back_with_what_it_has(bench: Bench, silent: str) -> None:
    job_id = bench.add(silent)
    run = Run(bench, job_id)
    part = bench.store.source(job_id).with_name("fetch.part")
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    bench.runner.running.stop()
    end = run.ended()
    assert isinstance(end, Requeue)
    assert end.queue is None
    bench.runner = bench.new_runner()
    assert isinstance(bench.runner.run(job_id, FETCH), Requeue)
    assert bench.fetched(job_id) == BODY


def test_two_workers_do_not_write_into_the_same_file(bench: Bench) -> None:
    with receiving(serves(BODY)) as source:
        job_id = bench.add(source.url())
        with LocalPartialSource(bench.store.source(job_id)):
            assert isinstance(bench.runner.run(job_id, FETCH), Postponed)
        assert isinstance(bench.new_runner().run(job_id, FETCH), Requeue)


def test_a_job_never_fails_because_another_worker_fetches_its_recording(bench: Bench) -> None:
    """Which WHISPER_URL_TIMEOUT may let take for longer than the tries of other trouble do."""
    now = [time.time()]
    bench.jobs.clock = SimpleNamespace(now=lambda: now[0])  # type: ignore[assignment]  # all it is asked
    job_id, runner = bench.add("http://127.0.0.1:9/"), bench.new_runner()
    with LocalPartialSource(bench.store.source(job_id)):
        for _ in range(20):
            end = runner.run(job_id, FETCH)
            assert isinstance(end, Postponed)
            assert end.due_at is not None
            now[0] = end.due_at


def test_a_file_that_was_finished_since_it_was_opened_is_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with LocalPartialSource(source) as part:
        part.begin("")
        part.write(BODY)
        late = LocalPartialSource(source)
        with pytest.raises(PartTaken), late:
            pass
        part.complete()
    assert source.read_bytes() == BODY


def test_what_was_written_before_the_machine_was_started_anew_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalPartialSource(tmp_path / "source") as part:
        part.begin('"v1"')
        part.write(BODY)
    with LocalPartialSource(tmp_path / "source") as part:
        assert (part.size, part.validator) == (len(BODY), '"v1"')
    monkeypatch.setattr("worker.store.local.partial_source.boot", lambda: "another")
    with LocalPartialSource(tmp_path / "source") as part:
        assert part.validator == ""


@pytest.mark.fault(164)
def test_a_full_disk_ends_no_job(bench: Bench) -> None:
    with receiving(serves(BODY)) as source:
        job_id = bench.add(source.url())
        bench.runner = bench.new_runner(min_free=1 << 60)
        for _ in range(3):
            assert isinstance(bench.runner.run(job_id, FETCH), Postponed)
        retry = bench.store.retry(job_id)
        assert retry is not None
        assert retry.cause.code == "storage_full"
        bench.runner = bench.new_runner()
        assert isinstance(bench.runner.run(job_id, FETCH), Requeue)
    assert bench.fetched(job_id) == BODY
