"""What earlier versions wrote is read for ever, and what is written now can be read by them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis

from engines.base import Piece, Window
from scripts.service.pid_file import RUNNING, PidFile
from tests.unit.factories import make_window
from worker.queue.heartbeat import HEARTBEAT, workers
from worker.running.checkpoint import RESULT, History, JobCheckpoint
from worker.store.idempotency import CLAIM
from worker.store.job_store import LocalStore
from worker.store.record_format import RecordFormat
from worker.store.records import JOB, OUTCOME, TRANSCRIPT
from worker.webhooks.outbox import LINE, Outbox

STORES = sorted(path for path in (Path(__file__).parents[3] / "fixtures" / "stores").iterdir() if path.is_dir())
assert STORES, "the test looks in the wrong place"


@pytest.fixture(params=STORES, ids=lambda path: str(path.name))
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an earlier version's data directory."""
    directory: Path = shutil.copytree(request.param, tmp_path / "data")
    return directory


def ids(store: LocalStore) -> dict[str, str]:
    """The jobs by what became of them; the waiting client's is left out."""
    outcomes = {job_id: store.outcome(job_id) for job_id in store.ids() if store.request(job_id).kind == "job"}
    return {outcome.state if outcome else "interrupted": job_id for job_id, outcome in outcomes.items()}


def test_its_jobs_are_there(data: Path) -> None:
    store = LocalStore(data)
    jobs = ids(store)
    assert set(jobs) == {"finished", "failed", "canceled", "interrupted"}
    finished = store.request(jobs["finished"])
    assert (finished.filename, finished.metadata, finished.declared_seconds) == (
        "clip.wav",
        {"meeting": "weekly"},
        4.0,
    )
    assert finished.webhook is not None
    assert finished.webhook.headers == {"Authorization": "Bearer x"}
    assert finished.options.words
    failed = store.outcome(jobs["failed"])
    assert failed is not None
    assert failed.error is not None
    assert failed.error.code == "unsupported_media"
    assert [store.answered_at(job_id) is None for job_id in store.ids()].count(False) == 1


def test_its_transcripts_are_there(data: Path) -> None:
    store = LocalStore(data)
    transcript = store.transcript(ids(store)["finished"])
    assert transcript.text == "w0.0 w0.1 w0.2 w0.3"
    assert [word.text for word in transcript.words] == [" w0.0", " w0.1", " w0.2", " w0.3"]
    assert transcript.duration == 4.0


def test_its_webhooks_go_on_where_they_were(data: Path) -> None:
    store = LocalStore(data)
    jobs, outbox = ids(store), Outbox(store)
    delivered, pending = (outbox.delivery(store.request(jobs[state])) for state in ("finished", "failed"))
    assert delivered is not None
    assert pending is not None
    assert ([attempt.status for attempt in delivered.attempts], delivered.state) == ([200], "delivered")
    assert ([attempt.status for attempt in pending.attempts], pending.state) == ([500, 500, 500], "pending")
    assert pending.next_at == pending.attempts[-1].next_at


def test_its_windows_are_not_decoded_again(data: Path) -> None:
    store = LocalStore(data)
    job_id = ids(store)["interrupted"]
    plan, *lines = store.attempts(job_id)[0].content.splitlines()
    checkpoint = JobCheckpoint(store, job_id, json.loads(plan))
    for line in map(json.loads, lines):
        result = checkpoint.result(window_at(*line["window"]))
        assert result is not None
        assert result.text == line["result"]["text"]
        assert len(result.words) == len(line["result"]["words"]) > 0


@pytest.mark.fault(112)
def test_its_attempts_that_broke_off_were_seen_by_nobody(data: Path) -> None:
    """It noted no crashes, so those it knew are not charged."""
    store = LocalStore(data)
    job_id = ids(store)["interrupted"]
    for path in data.rglob("checkpoint.1.ended.jsonl"):
        for number in (1, 2, 3):
            path.with_name(f"checkpoint.{number}.jsonl").write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        path.unlink()
    assert History.of(store.attempts(job_id)) == History(3, 3, 0, True)


def window_at(index: int, start: int, end: int, length: int) -> Window:
    window = make_window(index, length / 16_000)
    return Window(index, window.samples, (Piece(start, 0, end - start),), window.options)


def test_its_keys_stand_for_their_jobs(data: Path) -> None:
    store = LocalStore(data)
    store.claims.sweep(store.has)
    claimed = [CLAIM.load(path.read_bytes()) for path in (data / "claims").iterdir()]
    assert len(claimed) == 2
    assert all(store.has(claim.job_id) for claim in claimed)


def test_its_service_and_its_workers_are_known(data: Path) -> None:
    running = PidFile(data / "whisper-native.pid").leftover()
    assert running is not None
    assert running.url == "http://127.0.0.1:9001"
    redis = FakeRedis()
    row = json.loads((data / "heartbeat.json").read_text())
    redis.hset(f"whisper:worker:{row['name']}", mapping=row)
    assert [(worker.state, worker.pid, worker.loaded) for worker in workers(redis)] == [("ready", 4711, "base")]


def records(data: Path) -> list[tuple[RecordFormat[Any], str]]:
    """All that lies there, as text."""
    jobs = [(kind, path.read_text()) for kind in (JOB, OUTCOME, TRANSCRIPT) for path in data.rglob(kind.name)]
    claims = [(CLAIM, path.read_text()) for path in (data / "claims").iterdir()]
    lines = [(LINE, line) for path in data.rglob("deliveries.jsonl") for line in path.read_text().split("\n") if line]
    results = [(RESULT, line) for path in data.rglob("checkpoint.*") for line in path.read_text().splitlines()[1:]]
    pid_file = (RUNNING, (data / "whisper-native.pid").read_text().partition("\n")[2])
    return [*jobs, *claims, *lines, *results, pid_file, (HEARTBEAT, (data / "heartbeat.json").read_text())]


def test_what_is_written_now_is_what_it_wrote_and_a_number_where_that_is_ignored(data: Path) -> None:
    """So whoever goes back to it loses nothing. Options it has no field for any more take their defaults there."""
    for kind, text in records(data):
        earlier, now = json.loads(text), json.loads(kind.dump(kind.load(text)))
        number = {"format": 1} if kind in (JOB, OUTCOME, LINE) else {}
        if kind is HEARTBEAT:  # in Redis all is text
            now["pid"] = str(now["pid"])
        if kind is OUTCOME:  # it left out what it did not know
            assert (now.pop("track"), now.pop("language")) == (None, None)
        if kind is JOB:
            del now["is_default_model"]  # which it ignores
            options, earlier_options = now.pop("options"), earlier.pop("options")
            assert all(options[name] == earlier_options[name] for name in options.keys() & earlier_options.keys())
        assert now == {**number, **earlier}


def test_the_plan_of_a_checkpoint_begins_with_its_format(data: Path) -> None:
    for path in data.rglob("checkpoint.*"):
        assert json.loads(path.read_text().splitlines()[0])["format"] == 1
