"""What is owed is sent until it is taken or given up, whatever Redis forgets and whoever dies on the way."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer
from standardwebhooks import Webhook as Verifier

from tests.unit.factories import make_request, make_transcript, wait_for
from worker.outbound.answer import Answer
from worker.runtime.timing import Timing
from worker.store.job_store import LocalStore
from worker.store.records import JobError, JobRequest, Outcome, Webhook
from worker.webhooks import calls_in_hand
from worker.webhooks.delivery_queue import CLAIM, DUE, DeliveryQueue
from worker.webhooks.keys import key_of, new_secret
from worker.webhooks.message import event_id
from worker.webhooks.outbox import Attempt, Delivery, Outbox
from worker.webhooks.schedule import DEFAULT, Schedule
from worker.webhooks.sender import Sender, SigningConfig

SECRET = new_secret()
NOW = 1_800_000_000.0


@dataclass
class Call:
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Post:
    """Stands in for the network: answers what it is told, waits at its gate, and keeps every call."""

    answer: Callable[[int], Answer] = lambda number: Answer(200)
    calls: list[Call] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    under_way: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.set()

    def call(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        with self.lock:
            self.calls.append(Call(url, headers, body))
            number = len(self.calls)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        assert self.gate.wait(10)
        with self.lock:
            self.under_way -= 1
        return self.answer(number)


class Office:
    """A store, a Redis in memory, a clock that stands still, and senders."""

    def __init__(self, root: Path) -> None:
        self.store = LocalStore(root)
        self.redis_server = FakeServer()
        self.redis = FakeRedis(server=self.redis_server)
        self.post = Post()
        self.now = NOW
        self.senders: list[Sender] = []
        self.sender = self.new_sender()

    def new_sender(self, delays: str = DEFAULT) -> Sender:
        schedule = Schedule([float(part) for part in delays.split(",")], jitter=lambda: 1.0)
        due = DeliveryQueue(FakeRedis(server=self.redis_server), f"sender-{len(self.senders)}")
        signing = SigningConfig([key_of(SECRET)], None)
        sender = Sender(self.store, due, self.post, signing, schedule, clock=lambda: self.now)
        self.senders.append(sender)
        return sender

    def job(
        self, url: str = "https://example.com/hook", state: str | None = "finished", **webhook: object
    ) -> JobRequest:
        """A job that ended just now, or has not where the state is None."""
        upload = self.store.receive()
        upload.write(b"RIFF")
        request = make_request(upload.id, webhook=Webhook(url, **webhook) if url else None)  # type: ignore[arg-type]
        upload.commit(request)
        if state == "finished":
            self.store.save_transcript(request.id, make_transcript())
        if state is not None:
            error = JobError("no_audio_stream", "It has no audio.") if state == "failed" else None
            self.store.finish(request.id, Outcome(state, ended_at=self.now, error=error))  # type: ignore[arg-type]
        return request

    def work(self) -> None:
        """One round, to its end."""
        self.sender.send_due()
        wait_for(self.sender.is_idle)

    def delivery(self, request: JobRequest) -> Delivery:
        found = Outbox(self.store).delivery(request)
        assert found is not None
        return found

    def to_the_next(self) -> None:
        """The clock goes on to the next attempt."""
        next_at = DeliveryQueue(self.redis).next_at()
        assert next_at is not None
        self.now = max(self.now, next_at)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.post.gate.set()
    for sender in office.senders:
        sender.stop(5)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("finished", "transcription.completed"),
        ("failed", "transcription.failed"),
        ("canceled", "transcription.canceled"),
    ],
)
def test_an_end_is_told_signed_with_the_job_as_it_stands(office: Office, state: str, kind: str) -> None:
    request = office.job(state=state, headers={"Authorization": "Bearer x"})
    office.work()
    [call] = office.post.calls
    assert call.url == "https://example.com/hook"
    assert call.headers["Authorization"] == "Bearer x"
    assert call.headers["webhook-id"] == event_id(request.id) == "evt_" + request.id[4:]
    body = json.loads(call.body)
    assert (list(body), body["type"], body["data"]["status"]) == (["type", "timestamp", "data"], kind, state)
    assert body["timestamp"] == "2027-01-15T08:00:00.000Z"
    assert body["data"]["id"] == request.id
    assert b"Bearer" not in call.body
    assert office.delivery(request).state == "delivered"
    assert call.headers["webhook-timestamp"] == str(int(NOW))


def test_a_job_without_a_receiver_and_one_that_goes_on_are_nobodys_business(office: Office) -> None:
    office.job(url="")
    office.job(state=None)
    office.work()
    assert office.post.calls == []
    assert office.redis.zcard(DUE) == 0


def test_each_attempt_has_the_same_id_and_bytes_and_its_own_time_and_signature(office: Office) -> None:
    office.post.answer = lambda number: Answer(500 if number < 3 else 200)
    request = office.job()
    for _ in range(3):
        office.work()
        if office.redis.zcard(DUE):
            office.to_the_next()
    first, second, third = office.post.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
    assert first.body == second.body == third.body
    assert len({call.headers["webhook-timestamp"] for call in office.post.calls}) == 3
    assert len({call.headers["webhook-signature"] for call in office.post.calls}) == 3
    assert [attempt.status for attempt in office.delivery(request).attempts] == [500, 500, 200]
    assert office.delivery(request).state == "delivered"


@pytest.mark.fault(44)
def test_a_receiver_that_is_down_all_the_time_is_given_up_and_told_again_by_hand(office: Office) -> None:
    office.post.answer = lambda number: Answer(None, "The receiver could not be reached.")
    request = office.job()
    for attempt in range(12):
        office.work()
        assert len(office.post.calls) == attempt + 1
        assert office.delivery(request).state == ("pending" if attempt < 11 else "exhausted")
        if attempt < 11:
            office.to_the_next()
    assert office.now - NOW == sum(float(part) for part in DEFAULT.split(","))
    assert office.redis.zcard(DUE) == 0
    office.sender.scan()
    assert office.redis.zcard(DUE) == 0
    delivery = office.delivery(request)
    assert [attempt.error for attempt in delivery.attempts] == ["The receiver could not be reached."] * 12

    office.post.answer = lambda number: Answer(200)
    Outbox(office.store).again(request.id)
    DeliveryQueue(office.redis).again(request.id, office.now)
    office.work()
    assert office.delivery(request).state == "delivered"
    assert len(office.post.calls) == 13
    assert len({call.headers["webhook-id"] for call in office.post.calls}) == 1


@pytest.mark.fault(44)
def test_sent_again_by_hand_the_schedule_begins_anew(office: Office) -> None:
    office.sender = office.new_sender("0,10")
    office.post.answer = lambda number: Answer(500)
    request = office.job()
    office.work()
    office.to_the_next()
    office.work()
    assert office.delivery(request).state == "exhausted"
    Outbox(office.store).again(request.id)
    DeliveryQueue(office.redis).again(request.id, office.now)
    office.work()
    assert office.delivery(request).state == "pending"
    assert office.delivery(request).next_at == office.now + 10


def test_a_message_asked_for_again_while_it_is_under_way_is_sent_again(office: Office) -> None:
    office.now = time.time()
    request = office.job()
    office.post.gate.clear()
    office.sender.send_due()
    wait_for(lambda: len(office.post.calls) == 1)
    Outbox(office.store).again(request.id)
    DeliveryQueue(office.redis).again(request.id, office.now)
    office.post.gate.set()
    wait_for(office.sender.is_idle)
    assert office.delivery(request).state == "pending"
    office.now = time.time()
    office.work()
    assert (len(office.post.calls), office.delivery(request).state) == (2, "delivered")


def test_what_redis_forgot_is_found_in_the_store(office: Office) -> None:
    office.post.answer = lambda number: Answer(500)
    request = office.job()
    office.work()
    due_at = DeliveryQueue(office.redis).next_at()
    office.redis.flushall()
    office.sender.send_due()
    assert DeliveryQueue(office.redis).next_at() == due_at == office.delivery(request).next_at


def test_a_replay_that_redis_was_not_told_is_found_in_the_store(office: Office) -> None:
    request = office.job()
    office.work()
    office.sender.scan()  # which remembers it as settled
    Outbox(office.store).again(request.id)
    office.sender.scan()
    office.now = office.delivery(request).next_at or 0
    office.work()
    assert len(office.post.calls) == 2


@pytest.mark.parametrize("is_told", [True, False])
def test_the_new_end_of_a_requeued_job_is_told_at_once(office: Office, is_told: bool) -> None:
    """However long the pause is that the message of its first end is in."""
    office.sender = office.new_sender("0,3600")
    office.post.answer = lambda number: Answer(503 if number == 1 else 200)
    request = office.job(state="failed")
    office.work()
    office.now += 60
    office.store.reopen(request.id)
    Outbox(office.store, now=lambda: office.now).again(request.id, is_new_end=True)
    office.store.finish(request.id, Outcome("canceled", ended_at=office.now))
    if is_told:
        office.sender.look_at(request.id)
    else:  # the news of it was lost
        office.sender.scan()
    office.work()
    assert [json.loads(call.body)["type"] for call in office.post.calls] == [
        "transcription.failed",
        "transcription.canceled",
    ]
    assert DeliveryQueue(office.redis).next_at() is None


def test_while_the_store_is_read_calls_are_made_and_kept(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may take minutes in a shared one; another sender would take a call that is under way for nobody's."""
    due, slow = office.job(), office.job("https://slow.example/hook")
    office.job("https://third.example/hook")
    DeliveryQueue(office.redis).put(due.id, office.now)
    office.post.gate.clear()
    deliveries, read, claim = office.store.deliveries, list[str](), f"{CLAIM}{slow.id}"
    assert office.sender._hand.take(slow.id, "slow.example:443")
    assert office.sender._claimed(slow.id)
    office.redis.pexpire(claim, 1000)

    def watched(job_id: str) -> bytes:
        if threading.current_thread() is threading.main_thread():  # not that of the call
            read.append(job_id)
            if len(read) == 3:
                wait_for(lambda: office.post.calls)
                assert office.redis.pttl(claim) > 1000
        return deliveries(job_id)

    monkeypatch.setattr(office.store, "deliveries", watched)
    office.sender.scan()
    assert len(read) > 3
    office.sender._hand.drop(slow.id)


@pytest.mark.fault(43)
def test_a_sender_that_dies_before_it_has_written_it_down_is_followed_by_one_that_sends_again(office: Office) -> None:
    request = office.job()
    office.post.gate.clear()
    office.sender.send_due()  # and is never heard of again
    wait_for(lambda: len(office.post.calls) == 1)
    office.sender = office.new_sender()
    office.sender.send_due()
    assert len(office.post.calls) == 1, "two senders have one job in hand"
    office.redis.delete(CLAIM + request.id)  # it runs out
    office.now += Timing().webhook_crowded
    office.sender.send_due()
    wait_for(lambda: len(office.post.calls) == 2)
    first, second = office.post.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_slow_host_does_not_hold_the_others(office: Office) -> None:
    office.post.gate.clear()
    for _ in range(calls_in_hand.TO_ONE_HOST + 3):
        office.job("https://slow.example.com/hook")
    office.sender.send_due()
    wait_for(lambda: len(office.post.calls) == calls_in_hand.TO_ONE_HOST)
    office.job("https://quick.example.com/hook")
    office.sender.scan()
    office.sender.send_due()
    wait_for(lambda: office.post.calls[-1].url == "https://quick.example.com/hook")
    assert office.post.most == calls_in_hand.TO_ONE_HOST + 1
    office.post.gate.set()
    wait_for(office.sender.is_idle)
    office.now += Timing().webhook_crowded
    office.work()
    assert len(office.post.calls) == calls_in_hand.TO_ONE_HOST + 4


def test_a_deleted_jobs_call_goes_with_it(office: Office) -> None:
    request = office.job()
    office.sender.scan()
    office.store.delete(request.id)
    office.work()
    assert office.post.calls == []
    assert office.redis.zcard(DUE) == 0


def test_a_job_that_is_deleted_while_it_calls_leaves_nothing(office: Office) -> None:
    office.post.gate.clear()
    request = office.job()
    office.sender.send_due()
    wait_for(lambda: len(office.post.calls) == 1)
    office.store.delete(request.id)
    office.post.gate.set()
    wait_for(office.sender.is_idle)
    office.work()
    assert office.redis.zcard(DUE) == 0
    assert list(office.store.ids()) == []


def test_an_unreadable_record_does_not_hide_the_others(office: Office, tmp_path: Path) -> None:
    broken, whole = office.job(), office.job()
    (tmp_path / "jobs" / broken.id / "outcome.json").write_text("{")
    office.work()
    assert office.delivery(whole).state == "delivered"


@pytest.mark.parametrize("content", ["{", '{"format": 2}'])
def test_a_transcript_that_cannot_be_read_is_waited_for(office: Office, tmp_path: Path, content: str) -> None:
    """It may be of a newer version that shares the store."""
    broken, whole = office.job(), office.job()
    path = tmp_path / "jobs" / broken.id / "transcript.json"
    good = path.read_bytes()
    path.write_text(content)
    office.work()
    assert (office.delivery(whole).state, office.delivery(broken).state) == ("delivered", "pending")
    assert office.delivery(broken).attempts == ()
    path.write_bytes(good)
    office.now += Timing().webhook_scan
    office.work()
    assert office.delivery(broken).state == "delivered"


def test_a_record_the_disk_does_not_give_holds_nobody_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = office.job(), office.job()
    office.sender.scan()
    read = office.store.request

    def request(job_id: str) -> JobRequest:
        if job_id == broken.id:
            raise OSError(errno.EIO, "Input/output error")
        return read(job_id)

    monkeypatch.setattr(office.store, "request", request)
    office.work()
    assert office.delivery(whole).state == "delivered"
    monkeypatch.undo()
    office.now += Timing().webhook_scan
    office.work()
    assert office.delivery(broken).state == "delivered"


def test_what_the_disk_does_not_take_is_written_later_and_not_told_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(job_id: str, line: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    request = office.job()
    monkeypatch.setattr(office.store, "add_delivery", full)
    for _ in range(5):
        office.work()
        office.now += Timing().webhook_scan
        office.sender.scan()
    monkeypatch.undo()
    office.work()
    assert office.delivery(request).state == "delivered"
    assert len(office.post.calls) == 1
    assert office.sender._unwritten == {}


def test_a_torn_line_of_the_log_is_no_line(office: Office, tmp_path: Path) -> None:
    office.post.answer = lambda number: Answer(500)
    request = office.job()
    office.work()
    with open(tmp_path / "jobs" / request.id / "deliveries.jsonl", "ab") as file:
        file.write(b'{"at": 18000')
    office.to_the_next()
    office.work()
    assert [attempt.status for attempt in office.delivery(request).attempts] == [500, 500]


def test_the_log_keeps_what_an_attempt_was(office: Office) -> None:
    request = office.job()
    attempt = Attempt(NOW, 0.1, None, "Größe", "pending", NOW + 5)
    Outbox(office.store).record(request.id, attempt)
    assert office.delivery(request).attempts == (attempt,)


def test_an_unfinished_run_sends_and_stops(office: Office) -> None:
    thread = threading.Thread(target=office.sender.run)
    thread.start()
    request = office.job()
    office.sender.look_at(request.id)
    wait_for(lambda: office.delivery(request).state == "delivered")
    office.sender.stop(5)
    thread.join(5)
    assert not thread.is_alive()


def test_redis_that_is_away_costs_time_and_no_message(
    office: Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.webhooks.sender.PAUSE", 0.01)
    request = office.job()
    thread = threading.Thread(target=office.sender.run)
    office.redis_server.connected = False
    thread.start()
    wait_for(lambda: "Webhooks wait for Redis" in caplog.text)
    office.redis_server.connected = True
    wait_for(lambda: office.delivery(request).state == "delivered")
    office.sender.stop(5)
    thread.join(5)


def test_the_signature_is_of_the_bytes_that_are_sent(office: Office) -> None:
    office.now = time.time()
    office.job(include=("text", "segments"))
    office.work()
    [call] = office.post.calls
    assert Verifier(SECRET).verify(call.body, call.headers)["data"]["segments"][1]["text"] == " Bye."
