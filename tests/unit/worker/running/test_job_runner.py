"""A job goes from its id to one outcome, whatever happens on the way, and a second run of it does no harm."""

from __future__ import annotations

import errno
import ipaddress
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

import engines.audio.recordings.recording
import engines.decoding.schedule
import engines.decoding.transcriber
from engines.base import DecodeOptions, Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.errors import Canceled
from engines.transcript import TranscriptWarning
from tests import media
from tests.unit.factories import (
    DEADLINE,
    ScriptedEngine,
    loud_frames,
    make_request,
    make_result,
    make_transcript,
    write_buzz,
)
from worker.fleet.engine_wait import EngineWait
from worker.fleet.needs import Need
from worker.models.names import ModelNames
from worker.models.pool import ModelPool
from worker.outbound.addresses import RECORDINGS, AddressBook, Policy
from worker.outbound.client import tls_context
from worker.outbound.download import Downloader, DownloadLimits
from worker.queue import run_end
from worker.queue.events import FEED, Events
from worker.queue.heartbeat import Takers, WorkerHeartbeat, announce
from worker.queue.job_queue import JobQueue
from worker.queue.run_end import End, Failed, Finished, Lost, Postponed, Requeue, Skipped
from worker.running.attempt import MAX_DEATHS, MAX_STRIKES, DecodingLimits
from worker.running.fetching import Fetcher
from worker.running.job_access import JobAccess
from worker.running.job_runner import JobRunner
from worker.running.retries import Retries
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, LocalStore
from worker.store.records import JobError, Outcome
from worker.telemetry.vitals import Vitals, announce_vitals


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three windows of a buzz with pauses between, for an engine that takes 12 s at most."""
    return write_buzz(tmp_path_factory.mktemp("talk") / "talk", pause=1, seconds=10, times=3).read_bytes()


def fetcher(store: Any, min_free: int = 0) -> Fetcher:
    """It may fetch from this machine."""
    book = AddressBook(Policy((ipaddress.ip_network("127.0.0.0/8"),), purpose=RECORDINGS))
    limits = DownloadLimits(1024 * 1024, timeout=30.0, stall=30.0, least=1024)
    return Fetcher(store, Downloader(book, tls_context(None), limits), min_free)


class Bench:
    """A runner with its store, its Redis and an engine that can be held."""

    def __init__(
        self,
        root: Path,
        *,
        max_seconds: float = 3600.0,
        drop_audio: bool = False,
        timing: Timing = Timing(),
        store: Any = None,
    ) -> None:
        self.store = store or LocalStore(root)
        self.server = FakeServer()
        self.redis = FakeRedis(server=self.server)
        self.events = Events(self.redis)
        self.engine = ScriptedEngine(self.hear, max_batch=1)
        self.engine.window_seconds = 12.0
        self.batcher = Batcher(self.engine)
        self.batcher.start()
        self.queue = JobQueue(self.redis)
        self.timing = timing
        self.limits = DecodingLimits(3, max_seconds)
        takers = Takers(self.redis, Timing(maintenance=1e-6))
        self.jobs = JobAccess(self.store, self.queue, self.events, drop_audio=drop_audio, takers=takers)
        self.runner = self.new_runner()

    def set_by_hand(self) -> list[float]:
        """The clock's unix seconds, to be changed."""
        now = [time.time()]
        self.jobs.clock = SimpleNamespace(now=lambda: now[0])  # type: ignore[assignment]  # all it is asked
        self.runner = self.new_runner()
        return now

    def present(self, name: str, *, models: tuple[str, ...], engine: str = "", is_routed: bool = True) -> None:
        """Another worker is there."""
        announce(self.redis, WorkerHeartbeat(name, "ready", models[0], engine))
        announce_vitals(self.redis, name, Vitals(host=name, models=models, is_routed=is_routed))

    def new_runner(self) -> JobRunner:
        pool = ModelPool(lambda model: self.batcher)
        return JobRunner(self.jobs, ModelNames("base"), pool, self.limits, fetcher(self.store), self.timing)

    def hear(self, window: Window) -> WindowResult:
        return make_result(f" {window.index}.", temperature=window.temperature)

    def add(self, audio: bytes, **changes: Any) -> str:
        upload = self.store.receive()
        upload.write(audio)
        upload.commit(make_request(upload.id, **{"options": DecodeOptions(language="en"), **changes}))
        return upload.id

    def outcome(self, job_id: str) -> Outcome:
        outcome = self.store.outcome(job_id)
        assert outcome is not None
        return outcome

    def meta(self, job_id: str) -> Any:
        raw: Any = self.redis.hget(f"rq:job:{job_id}", "meta")
        return json.loads(raw)

    def told(self, job_id: str) -> list[tuple[str, Any]]:
        rows: Any = self.redis.xrange(f"whisper:events:{job_id}")
        return [(fields[b"event"].decode(), json.loads(fields[b"data"])) for _, fields in rows]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(engines.audio.recordings.recording, "speech_frames", loud_frames)
    bench = Bench(tmp_path)
    yield bench
    bench.engine.gate.set()
    bench.batcher.close()


class Attempt(threading.Thread):
    """A slot's thread: `ended` is what the run returned or raised."""

    ended: Any = None

    def __init__(self, bench: Bench, job_id: str) -> None:
        super().__init__()
        self._bench = bench
        self._job_id = job_id
        self.start()

    def run(self) -> None:
        try:
            self.ended = self._bench.runner.run(self._job_id, "batch")
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.ended = error

    def result(self) -> Any:
        self.join(DEADLINE)
        assert not self.is_alive()
        return self.ended


def hold(bench: Bench, job_id: str) -> Attempt:
    """A run that stands in its first window, until the engine's gate is opened."""
    bench.engine.gate.clear()
    attempt = Attempt(bench, job_id)
    assert bench.engine.entered.acquire(timeout=DEADLINE)
    return attempt


def assert_failed(end: End, code: str) -> None:
    assert isinstance(end, Failed)
    assert end.why.startswith(f"{code}: ")


def assert_put_aside(bench: Bench, job_id: str, code: str) -> None:
    """It runs, and is to run again, without an outcome."""
    end = bench.runner.run(job_id, "batch")
    retry = bench.store.retry(job_id)
    assert isinstance(end, Postponed)
    assert retry is not None
    assert (retry.cause.code, retry.due_at, bench.store.outcome(job_id)) == (code, end.due_at, None)


def back(end: End) -> Requeue:
    assert isinstance(end, Requeue)
    return end


def assert_moved(end: End, queue: str, *, at_front: bool) -> None:
    assert (back(end).queue, back(end).at_front) == (queue, at_front)


def test_a_waveform_is_kept_that_is_the_same_after_a_crash(bench: Bench, talk: bytes) -> None:
    job_id, other = bench.add(talk), bench.add(talk)
    assert bench.runner.run(job_id, "batch") == Finished()
    waveform = bench.store.waveform(job_id)
    assert waveform is not None
    assert waveform.duration == 33.0
    assert max(waveform.peaks) == pytest.approx(26, abs=2)
    assert 2000 < len(waveform.peaks) <= 4000
    crash(bench, other)
    assert_moved(bench.runner.run(other, "alone"), "batch", at_front=True)
    assert bench.runner.run(other, "batch") == Finished()
    assert bench.store.waveform(other) == waveform


def test_a_job_that_is_answered_at_once_has_no_waveform(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk, kind="sync")
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.store.waveform(job_id) is None


def test_a_job_ends_with_its_transcript_and_its_outcome(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.store.transcript(job_id).text == "0. 1. 2."
    outcome = bench.outcome(job_id)
    assert (outcome.state, outcome.duration, outcome.error, outcome.warnings) == ("finished", 33.0, None, ())
    assert outcome.started_at is not None
    assert outcome.started_at <= outcome.ended_at


def test_a_running_job_tells_its_state_progress_and_segments(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.runner.run(job_id, "batch")
    told = bench.told(job_id)
    assert told[0] == ("state", {"state": "started"})
    assert told[-1] == ("state", {"state": "finished"})
    processed = [data["processed"] for name, data in told if name == "progress"]
    assert processed == sorted(processed)
    assert processed[-1] == 33.0
    assert [data["text"] for name, data in told if name == "segment"] == [" 0.", " 1.", " 2."]
    assert bench.events.status(job_id).keys() >= {"started_at", "processed", "total"}
    feed: Any = bench.redis.xrange(FEED)
    assert [fields[b"state"] for _, fields in feed] == [b"started", *[b"news"] * 3, b"finished"]


def test_the_request_reaches_the_engine(bench: Bench, talk: bytes) -> None:
    options = DecodeOptions(task="translate", language="de", prompt="Names", hotwords="Acme", words=True)
    bench.runner.run(bench.add(talk, options=options), "batch")
    for (window,) in bench.engine.passes:
        assert (window.options.task, window.options.language) == ("translate", "de")
        assert (window.options.prompt, window.options.hotwords, window.options.words) == ("Names", "Acme", True)


def test_the_record_in_rq_says_how_far_the_job_is_and_where_its_transcript_is(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.queue.enqueue(bench.store.request(job_id))
    attempt = hold(bench, job_id)
    assert bench.meta(job_id) == {
        "model": "base",
        "attempts": 1,
        "progress": 0.0,
        "processed_seconds": 0.0,
        "total_seconds": None,
    }
    bench.engine.gate.set()
    assert attempt.result() == Finished()
    duration = round(bench.store.transcript(job_id).duration, 3)
    assert bench.meta(job_id) == {
        "model": "base",
        "attempts": 1,
        "progress": 1.0,
        "processed_seconds": duration,
        "total_seconds": duration,
        "transcript": f"/v1/jobs/{job_id}/transcript",
    }


def test_a_job_that_rq_has_forgotten_runs_without_a_record_of_it(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    assert bench.runner.run(job_id, "batch") == Finished()
    assert not bench.redis.exists(f"rq:job:{job_id}"), "half a record would never go away"


@pytest.mark.parametrize(
    ("state", "error", "end"),
    [
        ("finished", None, Finished()),
        ("failed", JobError("empty_audio", "Nothing."), Failed("empty_audio: Nothing.")),
        ("canceled", None, run_end.Canceled()),
    ],
)
def test_a_job_that_has_its_outcome_is_left_alone(
    bench: Bench, talk: bytes, state: Any, error: JobError | None, end: End
) -> None:
    job_id = bench.add(talk)
    bench.store.finish(job_id, Outcome(state, error=error))
    assert bench.runner.run(job_id, "batch") == end, "RQ lists it as what it is"
    assert bench.engine.passes == []
    assert bench.told(job_id) == [("state", {"state": state})], "who ended it may not have come to telling it"


def test_a_job_that_is_gone_is_no_error(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.store.delete(job_id)
    assert bench.runner.run(job_id, "batch") == run_end.Canceled("It was deleted.")
    assert bench.runner.run("job_of_nobody", "batch") == run_end.Canceled("It was deleted.")


def test_a_job_of_another_store_is_handed_back(bench: Bench, talk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    job_id = bench.add(talk)
    bench.queue.enqueue(bench.store.request(job_id))
    bench.store.delete(job_id)
    bench.jobs.other_stores = lambda: ["/data/other on host"]
    end = bench.runner.run(job_id, "batch")
    assert isinstance(end, Postponed)
    assert end.due_at
    bench.runner.after(job_id)
    assert bench.queue.live_ids() == {job_id}
    assert "/data/other on host" in caplog.text


@pytest.mark.parametrize(
    ("audio", "code"),
    [(b"", "unsupported_media"), (b"<html>not found</html>", "unsupported_media"), (b"RIFF", "unsupported_media")],
)
def test_what_is_no_recording_fails_with_its_code(bench: Bench, audio: bytes, code: str) -> None:
    job_id = bench.add(audio)
    assert_failed(bench.runner.run(job_id, "batch"), code)
    outcome = bench.outcome(job_id)
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.code == code
    assert len(outcome.error.message) > 20
    assert bench.told(job_id)[-1] == ("state", {"state": "failed"})


def test_a_recording_without_a_sample_fails_as_empty(bench: Bench, tmp_path: Path) -> None:
    job_id = bench.add(media.header_only_wav(tmp_path / "empty.wav").read_bytes())
    assert_failed(bench.runner.run(job_id, "batch"), "empty_audio")


def test_a_recording_over_the_limit_fails(tmp_path: Path, talk: bytes) -> None:
    bench = Bench(tmp_path, max_seconds=10.0)
    job_id = bench.add(talk)
    assert_failed(bench.runner.run(job_id, "batch"), "audio_too_long")
    bench.batcher.close()


def test_what_nobody_foresaw_is_tried_again_without_telling_too_much(bench: Bench, talk: bytes) -> None:
    def hear(_: Window) -> WindowResult:
        raise RuntimeError("secret path /srv/models")

    bench.engine._hear = hear
    job_id = bench.add(talk)
    assert_put_aside(bench, job_id, "server_error")
    retry = bench.store.retry(job_id)
    assert retry is not None
    assert "secret" not in retry.cause.message
    assert "RuntimeError" in retry.cause.message


def test_a_file_cut_off_is_transcribed_with_a_warning(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk[: len(talk) // 2])
    assert bench.runner.run(job_id, "batch") == Finished()
    assert "truncated_input" in [warning.code for warning in bench.outcome(job_id).warnings]


def test_cancel_ends_a_run_while_the_model_is_busy(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.store.finish(job_id, Outcome("canceled"))
    bench.runner.running.cancel(job_id)
    assert attempt.result() == run_end.Canceled()
    assert not bench.engine.gate.is_set()
    assert bench.outcome(job_id).state == "canceled"
    with pytest.raises(JobNotFound):
        bench.store.transcript(job_id)


def test_a_cancel_that_comes_as_a_slot_takes_the_job_costs_no_window(
    bench: Bench, talk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = bench.add(talk)

    def canceled_meanwhile(_: str) -> dict[str, float]:
        bench.store.finish(job_id, Outcome("canceled"))
        bench.runner.running.cancel(job_id)  # which finds no run yet
        return {}

    monkeypatch.setattr(bench.events, "status", canceled_meanwhile)
    assert bench.runner.run(job_id, "batch") == run_end.Canceled()
    assert bench.engine.passes == []


def test_cancel_of_what_does_not_run_does_nothing(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.runner.running.cancel(job_id)
    bench.runner.running.cancel("job_of_nobody")
    assert bench.runner.run(job_id, "batch") == Finished()


def test_the_news_of_an_earlier_cancel_does_not_end_the_next_run(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.store.finish(job_id, Outcome("canceled"))
    bench.store.reopen(job_id)
    attempt = hold(bench, job_id)
    bench.runner.cancel(job_id)
    bench.engine.gate.set()
    assert attempt.result() == Finished()


def test_runs_that_were_ended_elsewhere_are_found_out(bench: Bench, talk: bytes) -> None:
    ended, going = bench.add(talk), bench.add(talk)
    first = hold(bench, ended)
    second = Attempt(bench, going)
    bench.store.finish(ended, Outcome("canceled"))
    bench.runner.cancel_ended()
    assert first.result() == run_end.Canceled()
    bench.engine.gate.set()
    assert second.result() == Finished()


def test_a_job_ended_while_nobody_could_tell_stops_at_its_next_window(bench: Bench, talk: bytes) -> None:
    """A cancel may come while a slot takes the job, or while Redis is away: the store has it all the same."""
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.store.finish(job_id, Outcome("canceled"))
    bench.engine.gate.set()
    assert attempt.result() == run_end.Canceled()
    assert bench.engine.heard[-1] != [2], "its last window was not decoded any more"
    with pytest.raises(JobNotFound):
        bench.store.transcript(job_id)


def test_a_job_deleted_while_it_runs_ends_quietly(bench: Bench, talk: bytes, caplog: pytest.LogCaptureFixture) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.store.delete(job_id)
    bench.engine.gate.set()  # nobody told the runner
    assert attempt.result() == run_end.Canceled()
    assert list(bench.store.ids()) == []
    assert not list(bench.store.root.rglob("*.tmp"))
    assert "failed unexpectedly" not in caplog.text


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["job.json", "outcome.json"])
@pytest.mark.parametrize("content", ["{", '{"format": 2}'])
def test_a_job_that_cannot_be_read_is_left_as_it_is(bench: Bench, talk: bytes, name: str, content: str) -> None:
    job_id = bench.add(talk)
    path = bench.store.source(job_id).parent / name
    path.write_text(content)
    assert bench.runner.run(job_id, "batch") == Skipped("unreadable")
    bench.runner.after(job_id)
    assert path.read_text() == content
    assert bench.store.source(job_id).exists()
    assert bench.engine.passes == []


def test_an_end_that_cannot_be_read_ends_a_run_all_the_same(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    path = bench.store.source(job_id).parent / "outcome.json"
    path.write_text('{"format": 2, "ending": "expired"}')  # a newer version ended it
    bench.engine.gate.set()
    assert attempt.result() == Skipped("unreadable")
    assert len(bench.engine.passes) < 3
    assert path.read_text() == '{"format": 2, "ending": "expired"}'


def test_what_a_deleted_job_told_is_removed(bench: Bench, talk: bytes) -> None:
    kept, deleted = bench.add(talk), bench.add(talk)
    for job_id in (kept, deleted):
        bench.queue.enqueue(bench.store.request(job_id))
        bench.runner.run(job_id, "batch")
    bench.store.delete(deleted)
    bench.runner.after(kept)
    bench.runner.after(deleted)
    assert f"events:{kept}" in str(bench.redis.keys())
    assert deleted not in str(bench.redis.keys())


def test_the_first_outcome_stays_though_the_run_comes_to_its_end(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.store.finish(job_id, Outcome("canceled"))
    bench.engine.gate.set()
    assert attempt.result() == run_end.Canceled()
    assert bench.outcome(job_id).state == "canceled"
    assert bench.told(job_id)[-1] == ("state", {"state": "canceled"})


def test_a_failure_that_came_first_is_what_rq_is_told(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.store.finish(job_id, Outcome("failed", error=JobError("worker_crashed", "Given up.")))
    bench.engine.gate.set()
    assert attempt.result() == Failed("worker_crashed: Given up.")


def test_a_stopping_worker_hands_its_jobs_back_without_an_outcome(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.runner.running.stop()
    bench.engine.gate.set()
    assert isinstance(attempt.result(), Requeue)
    assert attempt.result().queue is None, "it goes back where it was"
    assert bench.store.outcome(job_id) is None
    assert bench.engine.heard == [[0]]
    (kept,) = bench.store.attempts(job_id)
    assert (kept.has_ended, kept.content.count(b"\n")) == (True, 2), "the window that was in hand is kept"


def test_a_stopping_worker_begins_nothing(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.runner.running.stop()
    assert isinstance(bench.runner.run(job_id, "batch"), Requeue)
    assert bench.store.outcome(job_id) is None
    assert bench.engine.passes == []


def test_a_job_canceled_as_the_worker_stops_is_not_handed_back(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.store.finish(job_id, Outcome("canceled"))
    bench.runner.running.stop()
    bench.engine.gate.set()
    assert attempt.result() == run_end.Canceled()


def test_a_doubled_entry_of_the_queue_runs_once(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    first = hold(bench, job_id)
    assert bench.runner.run(job_id, "batch") == Skipped("started")
    bench.engine.gate.set()
    assert first.result() == Finished()
    assert sorted(window.index for (window,) in bench.engine.passes) == [0, 1, 2]
    assert bench.runner.run(job_id, "batch") == Finished()


def test_the_one_that_runs_can_still_be_canceled_after_a_doubled_entry(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    first = hold(bench, job_id)
    bench.runner.run(job_id, "batch")
    bench.runner.running.cancel(job_id)
    assert first.result() == run_end.Canceled()


def test_several_jobs_run_at_once(bench: Bench, talk: bytes) -> None:
    jobs = [bench.add(talk) for _ in range(4)]
    assert [attempt.result() for attempt in [Attempt(bench, job_id) for job_id in jobs]] == [Finished()] * 4
    assert {bench.store.transcript(job_id).text for job_id in jobs} == {"0. 1. 2."}


def test_a_job_goes_on_without_redis(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.server.connected = False
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.store.transcript(job_id).text == "0. 1. 2."


@pytest.mark.fault(111)
def test_a_recording_that_cannot_be_read_for_a_while_is_read_then(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    source = bench.store.source(job_id)
    source.rename(source.with_name("away"))
    assert_put_aside(bench, job_id, "server_error")
    source.with_name("away").rename(source)
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.store.retry(job_id) is None


@pytest.mark.fault(111)
def test_memory_that_is_short_for_a_while_ends_no_job(bench: Bench, talk: bytes) -> None:
    short = [True]

    def hear(window: Window) -> WindowResult:
        if short[0]:
            raise MemoryError
        return make_result(f" {window.index}.", temperature=window.temperature)

    bench.engine._hear = hear
    job_id = bench.add(talk)
    assert_put_aside(bench, job_id, "server_error")
    short[0] = False
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.outcome(job_id).attempts == 1


@pytest.mark.fault(111)
def test_trouble_that_does_not_pass_ends_a_job_after_an_hour_with_its_last_cause(bench: Bench, talk: bytes) -> None:
    now = bench.set_by_hand()
    bench.engine._hear = lambda _: (_ for _ in ()).throw(RuntimeError("no"))
    job_id, began = bench.add(talk), now[0]
    pauses: list[float] = []
    while isinstance(end := bench.runner.run(job_id, "batch"), Postponed):
        assert end.due_at is not None
        pauses.append(end.due_at - now[0])
        now[0] = end.due_at
        bench.runner = bench.new_runner()  # after each, the service is started again
    assert_failed(end, "server_error")
    assert "RuntimeError" in str(end)
    assert pauses == sorted(pauses)
    assert now[0] - began >= 3600
    assert len(pauses) < 20


@pytest.mark.parametrize("before", ["no_room", "unserved"])
def test_what_a_job_waited_for_another_reason_takes_no_try_away(bench: Bench, talk: bytes, before: str) -> None:
    """Hours without room on the disk, say, and then a source that does not answer once."""
    now, job_id = bench.set_by_hand(), bench.add(talk)
    retries = Retries(bench.store, clock=bench.jobs.clock)
    while now[0] < bench.store.request(job_id).created_at + 2 * Timing().retry_period:
        end = retries.put_aside(job_id, JobError("storage_full", "No room."), getattr(retries, before))
        assert end is not None
        assert end.due_at is not None
        now[0] = end.due_at
    began, tries = now[0], 0
    while end := retries.put_aside(job_id, JobError("url_unreachable", "Away."), retries.passing):
        assert end.due_at is not None
        now[0], tries = end.due_at, tries + 1
    assert tries > 1
    assert now[0] - began >= Timing().retry_period


def test_a_run_before_its_time_takes_no_try_away(bench: Bench, talk: bytes) -> None:
    """As after a requeue by hand, or a crash just after the record was written."""
    job_id = bench.add(talk)
    bench.store.drop_source(job_id)
    for _ in range(30):
        assert_put_aside(bench, job_id, "server_error")
    retry = bench.store.retry(job_id)
    assert retry is not None
    assert (retry.pause, retry.waited) == (Timing().retry_first, 0.0)


def test_a_job_canceled_while_it_is_put_aside_stays_canceled(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    bench.store.drop_source(job_id)
    assert_put_aside(bench, job_id, "server_error")
    bench.store.finish(job_id, Outcome("canceled"))
    assert bench.runner.run(job_id, "batch") == run_end.Canceled()
    assert bench.store.retry(job_id) is None


@pytest.mark.fault(110)
def test_a_job_without_a_model_takes_what_is_the_default_when_it_runs(bench: Bench, talk: bytes) -> None:
    for changes in ({"model": "small", "is_default_model": True}, {"model": "whisper-1"}):
        assert bench.runner.run(bench.add(talk, **changes), "batch") == Finished()


@pytest.mark.fault(172)
def test_a_job_for_a_model_of_an_earlier_worker_lets_those_behind_it_pass(bench: Bench, talk: bytes) -> None:
    """Which takes from the common queues alone."""
    now = bench.set_by_hand()
    bench.present("mac", models=("small",), is_routed=False)
    job_id = bench.add(talk, model="small")
    for _ in range(100):
        end = bench.runner.run(job_id, "batch")
        assert isinstance(end, Postponed)
        assert end.due_at == now[0] + Timing().maintenance
        assert "mac" in end.why
    assert bench.store.retry(job_id) is None, "it is in nobody's way, however long that worker is busy"


@pytest.mark.fault(172)
def test_a_job_for_a_model_of_another_worker_joins_that_ones_queue(bench: Bench, talk: bytes) -> None:
    bench.present("mac", models=("Small", "my-alias"))
    bench.present("box", models=("base", "*"))
    for model, queue in {
        "small": "batch:Small",
        "openai/whisper-small": "batch:Small",
        "My-Alias": "batch:my-alias",
        "whatever": "batch:*",
    }.items():
        job_id = bench.add(talk, model=model)
        end = bench.runner.run(job_id, "batch")
        assert isinstance(end, Requeue)
        assert end.need is not None
        assert (end.need.queue("batch"), end.at_front) == (queue, False)
        assert bench.store.retry(job_id) is None
        bench.events.started(job_id, 1.0)
        again = bench.runner.run(job_id, "batch")
        assert isinstance(again, Requeue)
        assert again.at_front, "one that has begun stood before all that wait"


def test_a_job_waits_a_minute_for_the_engine_that_began_it(bench: Bench, talk: bytes) -> None:
    """On a worker that is there: whoever else goes on with it begins anew."""
    now = bench.set_by_hand()
    bench.queue.engine_wait = EngineWait(bench.redis, Timing(), bench.jobs.clock)
    job_id = bench.add(talk, is_default_model=True)
    attempt = hold(bench, job_id)
    bench.runner.running.stop()
    bench.engine.gate.set()
    attempt.result()
    bench.runner = bench.new_runner()
    bench.engine.name = "another"
    bench.present("mac", models=("small",), engine="scripted")
    end = bench.runner.run(job_id, "batch")
    assert isinstance(end, Requeue)
    assert end.need == Need("small", "scripted")
    now[0] += Timing().same_engine
    assert bench.runner.run(job_id, "batch") == Finished()


def test_a_job_does_not_wait_for_an_engine_that_is_not_there(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.runner.running.stop()
    bench.engine.gate.set()
    attempt.result()
    bench.runner = bench.new_runner()
    bench.engine.name = "another"
    bench.present("mac", models=("small",), engine="scripted")
    bench.present("old", models=("base",), engine="scripted", is_routed=False)
    assert bench.runner.run(job_id, "batch") == Finished()


@pytest.mark.fault(110)
def test_a_job_waits_a_day_for_a_model_that_is_served_no_more(bench: Bench, talk: bytes) -> None:
    """Here for a little more than an hour, as each of its 1440 tries is synced to the disk."""
    now = bench.set_by_hand()
    assert Timing().unserved == 24 * 3600
    bench.timing = Timing(unserved=3700.0)
    bench.runner = bench.new_runner()
    job_id, began = bench.add(talk, model="small"), now[0]
    while isinstance(end := bench.runner.run(job_id, "batch"), Postponed):
        assert end.due_at is not None
        assert end.due_at - now[0] <= 60, "a setting that is mended is noticed within a minute"
        now[0] = end.due_at
    assert_failed(end, "model_not_found")
    assert "WHISPER_MODELS" in str(end)
    assert now[0] - began >= 3700


def test_a_transcript_that_an_earlier_run_left_counts(bench: Bench, talk: bytes) -> None:
    """Its worker died between transcript and outcome, or is late and about to write that: both say the same then."""
    job_id = bench.add(talk)
    left = bench.store.save_transcript(
        job_id, make_transcript(language="fr", warnings=(TranscriptWarning("low_confidence", "It was noisy."),))
    )
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.store.transcript(job_id) == left
    assert bench.outcome(job_id).language == left.known_language
    assert bench.outcome(job_id).warnings == left.warnings
    assert bench.outcome(job_id).duration == left.duration


def test_the_plan_of_a_checkpoint_is_what_it_was_since_windows_were_last_cut_otherwise(
    bench: Bench, talk: bytes
) -> None:
    """Or every job that waits half done would begin anew after an update."""
    bench.engine.window_seconds = 30.0  # as nearly all had them then
    job_id = bench.add(talk, options=DecodeOptions(language="en", languages=("en", "de"), words=True))
    attempt = hold(bench, job_id)
    bench.runner.running.stop()
    bench.engine.gate.set()
    attempt.result()
    (kept,) = bench.store.attempts(job_id)
    assert json.loads(kept.content.splitlines()[0]) == {
        "format": 1,
        "windows": 4,
        "engine": "scripted",
        "model": "scripted-1",
        "context": False,
        "options": {
            "task": "transcribe", "language": "en", "languages": ["en", "de"], "multilingual": False, "words": True,
            "prompt": None, "hotwords": None, "beam_size": 3, "temperature": 0.0, "full_padding": False,
            "listening": {
                "track": None, "voice_activity": True, "threshold": None, "prefix_padding": None,
                "silence_duration": None,
            },
        },
    }  # fmt: skip


@pytest.mark.parametrize("next_length", [12.0, 6.0])
def test_a_job_that_was_interrupted_goes_on_where_it_was(bench: Bench, talk: bytes, next_length: float) -> None:
    """Also if the next worker, of a later version or set up otherwise, cuts its own jobs into shorter windows."""
    undisturbed = bench.add(talk)
    bench.runner.run(undisturbed, "batch")
    job_id = bench.add(talk)
    bench.engine.passes.clear()

    def die(window: Window) -> WindowResult:
        if window.index == 1:
            bench.runner.running.stop()
        return bench.hear(window)

    bench.engine._hear = die
    assert isinstance(bench.runner.run(job_id, "batch"), Requeue)
    assert (bench.store.root / "jobs" / job_id / "checkpoint.1.ended.jsonl").exists()
    next_worker = bench.new_runner()
    bench.engine._hear, bench.engine.window_seconds = bench.hear, next_length
    bench.engine.passes.clear()
    assert next_worker.run(job_id, "batch") == Finished()
    assert bench.engine.heard == [[2]]
    assert bench.store.transcript(job_id) == bench.store.transcript(undisturbed)
    assert [data["id"] for name, data in bench.told(job_id) if name == "segment"] == [0, 1, 2]
    assert bench.outcome(job_id).started_at == bench.events.status(job_id)["started_at"]
    assert not list((bench.store.root / "jobs").glob("*/checkpoint.*"))


@pytest.fixture
def quickly_demoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.decoding.schedule, "DEMOTE_AFTER", 8.0)


@pytest.mark.usefixtures("quickly_demoted")
def test_a_long_job_leaves_its_interactive_slot_to_one_that_waits(bench: Bench, talk: bytes) -> None:
    long, waiting = (bench.add(talk, priority="interactive") for _ in range(2))
    bench.queue.enqueue(bench.store.request(waiting))
    assert_moved(bench.runner.run(long, "interactive"), "batch", at_front=True)
    assert bench.store.outcome(long) is None
    first = [window.index for (window,) in bench.engine.passes]
    bench.engine.passes.clear()
    assert bench.runner.run(long, "batch") == Finished()
    assert 0 not in [window.index for (window,) in bench.engine.passes]
    assert bench.store.transcript(long).text == "0. 1. 2."
    assert len(first) < 3


@pytest.mark.usefixtures("quickly_demoted")
def test_a_long_job_keeps_its_slot_while_nobody_waits_for_one(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk, priority="interactive")
    assert bench.runner.run(job_id, "interactive") == Finished()
    assert len(bench.engine.passes) == 3


@pytest.mark.usefixtures("quickly_demoted")
def test_without_redis_a_long_job_goes_on_where_it_is(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk, priority="interactive")
    bench.server.connected = False
    assert bench.runner.run(job_id, "interactive") == Finished()


def crash(bench: Bench, job_id: str, windows: int = 0, *, is_seen: bool = True) -> None:
    """What is left of an attempt whose worker died after so many windows."""
    log = bench.store.begin_attempt(job_id)
    log.append(b"{}\n" + b'{"window": [99, 0, 0, 0], "result": {}}\n' * windows)
    log.close()
    if is_seen:
        bench.store.note_crash(job_id)


@pytest.mark.fault(3)
def test_a_job_that_ended_its_worker_again_and_again_is_given_up(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    for _ in range(MAX_STRIKES):
        crash(bench, job_id)
    end = bench.runner.run(job_id, "alone")
    assert_failed(end, "worker_crashed")
    assert "3 times" in str(end)
    outcome = bench.outcome(job_id)
    assert (outcome.state, outcome.attempts) == ("failed", MAX_STRIKES)
    assert bench.engine.passes == []


@pytest.mark.fault(112)
def test_what_nobody_saw_is_not_charged_until_it_has_happened_ten_times(bench: Bench, talk: bytes) -> None:
    """Losses of power, or a worker without a supervisor."""
    innocent, hopeless = bench.add(talk), bench.add(talk)
    for _ in range(MAX_DEATHS - 1):
        crash(bench, innocent, is_seen=False)
    for number in range(MAX_DEATHS):
        crash(bench, hopeless, is_seen=number % 5 == 0)
    assert_moved(bench.runner.run(innocent, "alone"), "batch", at_front=True)
    assert bench.runner.run(innocent, "batch") == Finished()
    assert bench.outcome(innocent).attempts == MAX_DEATHS
    end = bench.runner.run(hopeless, "alone")
    assert_failed(end, "worker_crashed")
    assert "10 times" in str(end)


def test_a_worker_that_ends_itself_notes_the_crash_of_what_it_runs(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.runner.running.note_crash()
    assert [one.is_noted for one in bench.store.attempts(job_id)] == [True]
    bench.engine.gate.set()
    assert attempt.result() == Finished()


def test_a_job_that_was_running_in_a_crash_is_tried_alone(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    crash(bench, job_id)
    assert_moved(bench.runner.run(job_id, "batch"), "alone", at_front=False)
    assert len(bench.store.attempts(job_id)) == 1, "that it moved is no attempt"
    assert_moved(bench.runner.run(job_id, "alone"), "batch", at_front=True)
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.outcome(job_id).attempts == 2
    assert bench.store.transcript(job_id).text == "0. 1. 2."


def test_a_job_gives_its_model_up_once_it_has_decoded_a_window_with_it(bench: Bench, talk: bytes) -> None:
    """A long recording is read again in each turn: one that went before it brought a window would never end."""
    one, other = bench.add(talk), bench.add(talk)
    attempt = hold(bench, one)
    bench.runner.running.make_room("base")
    bench.engine.gate.set()
    assert attempt.result() == Finished()

    def ask_for_room(window: Window) -> WindowResult:
        if window.index == 1:
            run = bench.runner.running._attempts[other]
            while not run.is_handed_back:  # as who waits for a model does
                bench.runner.running.make_room("base")
                time.sleep(0.01)
        return make_result(f" {window.index}.")

    bench.engine._hear = ask_for_room
    assert isinstance(Attempt(bench, other).result(), Requeue)
    (kept,) = bench.store.attempts(other)
    assert kept.content.count(b"\n") == 3, "the plan and two windows, the one in hand too"


def test_a_pass_that_takes_longer_than_patience_is_stopped(
    tmp_path: Path, talk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.audio.recordings.recording, "speech_frames", loud_frames)
    bench = Bench(tmp_path, timing=Timing(hand_back=0.2))

    def hear(window: Window) -> WindowResult:
        bench.engine.entered.release()
        while not window.is_canceled():
            time.sleep(0.01)
        raise Canceled()

    bench.engine._hear = hear
    attempt = hold(bench, bench.add(talk))
    bench.engine.gate.set()
    assert bench.engine.entered.acquire(timeout=DEADLINE)
    bench.runner.running.hand_back_others("another")
    assert isinstance(attempt.result(), Requeue)


def test_others_make_way_for_a_job_to_be_tried_alone(bench: Bench, talk: bytes) -> None:
    one, other = bench.add(talk), bench.add(talk)
    attempt = hold(bench, one)
    bench.runner.running.hand_back_others(other)
    bench.engine.gate.set()
    assert isinstance(attempt.result(), Requeue)
    bench.runner.running.end_alone()
    assert bench.runner.run(one, "batch") == Finished()
    assert bench.outcome(one).attempts == 1, "making way is not held against it"


def test_nothing_begins_beside_a_job_that_is_tried_alone(bench: Bench, talk: bytes) -> None:
    alone, other = bench.add(talk), bench.add(talk)
    bench.runner.running.hand_back_others(alone)
    assert "alone" in back(bench.runner.run(other, "batch")).why
    assert "further" in back(bench.runner.run(alone, "alone")).why
    bench.runner.running.end_alone()
    assert bench.runner.run(other, "batch") == Finished()


@pytest.mark.fault(8)
def test_a_late_result_is_refused(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    crash(bench, job_id)  # another worker has begun meanwhile
    bench.engine.gate.set()
    assert isinstance(attempt.result(), Lost)
    assert bench.store.outcome(job_id) is None
    with pytest.raises(JobNotFound):
        bench.store.transcript(job_id)


def test_the_first_transcript_stays_when_another_worker_was_quicker_at_the_end(
    bench: Bench, talk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lost its job while it could not reach Redis knows of it by the outcome alone."""
    job_id = bench.add(talk)
    theirs = make_transcript()
    ours = engines.decoding.transcriber.Transcription.transcript

    def beaten(self: Any) -> Any:
        bench.store.save_transcript(job_id, theirs)
        assert bench.store.finish(job_id, Outcome("finished"))
        return ours(self)

    monkeypatch.setattr(engines.decoding.transcriber.Transcription, "transcript", beaten)
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.store.transcript(job_id).text == theirs.text


def test_a_run_that_hears_it_lost_its_job_stops(bench: Bench, talk: bytes) -> None:
    job_id = bench.add(talk)
    attempt = hold(bench, job_id)
    bench.runner.running.lose(job_id)
    assert isinstance(attempt.result(), Lost)
    assert bench.store.outcome(job_id) is None


def test_a_store_that_goes_away_at_the_very_end_costs_no_slot(
    bench: Bench, talk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = bench.add(talk)
    assert bench.runner.run(job_id, "batch") == Finished()

    def away(*_: Any) -> bool:
        raise OSError(errno.EIO, "The store does not answer.")

    monkeypatch.setattr(bench.store, "has", away)
    bench.runner.after(job_id)


@pytest.mark.fault(18)
def test_a_full_disk_ends_no_job(bench: Bench, talk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = bench.add(talk)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(bench.store, "save_transcript", full)
        with pytest.raises(OSError, match="No space"):
            bench.runner.run(job_id, "batch")
    assert bench.store.outcome(job_id) is None
    assert bench.runner.run(job_id, "batch") == Finished()
    assert bench.outcome(job_id).attempts == 1


@pytest.mark.parametrize("drop_audio", [True, False])
def test_audio_that_is_not_kept_goes_with_the_jobs_end(
    talk: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drop_audio: bool
) -> None:
    monkeypatch.setattr(engines.audio.recordings.recording, "speech_frames", loud_frames)
    bench = Bench(tmp_path, drop_audio=drop_audio)
    job_id, broken = bench.add(talk), bench.add(b"no audio")
    bench.runner.run(job_id, "batch")
    assert isinstance(bench.runner.run(broken, "batch"), Failed)
    assert [bench.store.source(name).exists() for name in (job_id, broken)] == [not drop_audio] * 2
    assert bench.outcome(job_id).state == "finished"
    bench.batcher.close()
