"""Makes the calls that are due, many at once and few to one host, and writes down what came of them.

A call is made, then recorded: a sender that dies in between calls again, with the same id. Whatever Redis forgets is
read from the store again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import RedisError

from worker.jobs.expiry import Expiry
from worker.outbound.answer import Answer
from worker.outbound.target import Refused, Target
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest
from worker.telemetry import tracing
from worker.telemetry.instruments import WEBHOOK_ATTEMPTS
from worker.webhooks.calls_in_hand import CallsInHand
from worker.webhooks.delivery_queue import DeliveryQueue
from worker.webhooks.message import message
from worker.webhooks.outbox import Attempt, Delivery, Outbox
from worker.webhooks.pending_deliveries import PendingDeliveries
from worker.webhooks.schedule import Schedule
from worker.webhooks.signature import signed_headers

AT_ONCE = 32  # calls
PAGE_SIZE = 200  # jobs looked at in a round
BUSY_SLEEP = 0.25  # seconds
PAUSE = 1.0  # second until the next round after one that failed
GO_ON = 1.0  # seconds of reading the store between two looks at what is due

log = logging.getLogger(__name__)


class Calls(Protocol):
    """Makes one call; worker.outbound.client.WebhookClient does."""

    def call(self, url: str, headers: dict[str, str], body: bytes) -> Answer: ...


@dataclass(frozen=True, slots=True)
class SigningConfig:
    """What all messages share. keys: to sign with; public_url: what their links begin with."""

    keys: Sequence[bytes]
    public_url: str | None = None


class Sender:
    """`run` sends until `stop`. `look_at` and `scan_soon` may be called from other threads."""

    def __init__(
        self,
        store: JobStore,
        due: DeliveryQueue,
        calls: Calls,
        signing: SigningConfig,
        schedule: Schedule,
        clock: Callable[[], float] = time.time,
        timing: Timing = Timing(),
        keep: float = math.inf,
    ) -> None:
        """keep: seconds for which a job stays after its end."""
        self._store = store
        self._expiry = Expiry(store, keep, timing)
        self._due = due
        self._calls = calls
        self._signing = signing
        self._schedule = schedule
        self._clock = clock
        self._timing = timing
        self._outbox = Outbox(store, schedule.first_wait())
        self._pending = PendingDeliveries(store, self._outbox)
        self._hand = CallsInHand()
        self._pool = ThreadPoolExecutor(AT_ONCE, "call")
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._scan_wanted = threading.Event()
        self._scan_wanted.set()
        self._scan_at = 0.0  # monotonic seconds
        self._unwritten: dict[str, Attempt] = {}  # by job: what the disk would not take
        self._renew_at = self._go_on_at = 0.0  # monotonic seconds

    def run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                self._woken.wait(self.send_due())
            except RedisError as error:
                log.warning("Webhooks wait for Redis: %s", error)
                self._stopped.wait(PAUSE)
            except OSError as error:
                log.warning("Webhooks wait for the store: %s", error)
                self._stopped.wait(PAUSE)
            except Exception:
                log.exception("A round of webhooks failed")
                self._stopped.wait(PAUSE)

    def stop(self, patience: float) -> None:
        """Begins no more calls and waits `patience` seconds for those under way."""
        self._stopped.set()
        self._woken.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + patience
        while not self.is_idle() and time.monotonic() < deadline:
            time.sleep(0.05)

    def look_at(self, job_id: str) -> None:
        """The job has ended, or is to be told again."""
        try:
            delivery = self._outbox.delivery(self._store.request(job_id))
        except (JobNotFound, RecordBroken):  # the scan says of the latter what is wrong
            return
        if delivery is not None and delivery.next_at is not None:
            self._due.put_owed({job_id: delivery.next_at})
            self._woken.set()

    def scan_soon(self) -> None:
        """An event may have been missed: the store is scanned soon."""
        self._scan_wanted.set()
        self._woken.set()

    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return not self._hand.jobs()

    def scan(self) -> None:
        """Finds what is owed by reading the store."""
        self._due.put_owed(self._pending.owed(self._go_on))

    def _go_on(self) -> None:
        """While the store is read, which takes minutes if it is far away and has thousands of jobs: what is under way
        stays this sender's, and what is due is begun."""
        now = time.monotonic()
        if now >= self._go_on_at and not self._stopped.is_set():
            self._go_on_at = now + GO_ON
            self._renew(now)
            self._begin_due()

    def _renew(self, now: float) -> None:
        if now >= self._renew_at:
            self._due.renew(self._hand.jobs())
            self._renew_at = now + self._timing.webhook_renew

    def send_due(self) -> float:
        """Begins what is due; returns how many seconds the next round may wait."""
        now = time.monotonic()
        self._renew(now)
        if self._scan_wanted.is_set() or now >= self._scan_at or self._due.has_forgotten():
            self._scan_in_turn(now)
        self._begin_due()
        next_at = self._due.next_at()
        if next_at is None:
            return self._timing.webhook_look
        # what is in hand stays due until it is done, which wakes us
        shortest = BUSY_SLEEP if self._hand.jobs() else 0.02
        return min(self._timing.webhook_look, max(shortest, next_at - self._clock()))

    def _scan_in_turn(self, now: float) -> None:
        self._scan_wanted.clear()  # before the look, so that what comes after it is not missed
        with self._due.scanning() as is_ours:
            if is_ours:
                self.scan()
        self._scan_at = now + (self._timing.webhook_scan if is_ours else self._timing.webhook_crowded)

    def _begin_due(self) -> None:
        for job_id in self._due.due(self._clock(), PAGE_SIZE):
            in_hand = self._hand.jobs()
            if len(in_hand) >= AT_ONCE:
                return
            if job_id not in in_hand:
                self._begin(job_id)

    def _begin(self, job_id: str) -> None:
        try:
            request = self._store.request(job_id)
        except JobNotFound:
            self._unwritten.pop(job_id, None)
            self._due.remove(job_id)
            return
        except (OSError, RecordBroken) as error:  # one record that cannot be read must not hold up those behind it
            self._due.put(job_id, self._put_off(job_id, error))
            return
        if request.webhook is None:
            self._due.remove(job_id)
        elif not self._hand.take(job_id, _host(request.webhook.url)) or not self._claimed(job_id):
            self._due.put(job_id, self._clock() + self._timing.webhook_crowded)  # and lets those behind it go first
        else:
            self._pool.submit(self._deliver, request)

    def _put_off(self, job_id: str, error: Exception) -> float:
        log.error("The webhook of %s waits, as its record cannot be read: %s", job_id, error)
        return self._clock() + self._timing.webhook_scan

    def _claimed(self, job_id: str) -> bool:
        try:
            is_ours = self._due.claim(job_id)
        except RedisError:
            self._hand.drop(job_id)
            raise
        if not is_ours:
            self._hand.drop(job_id)
        return is_ours

    def _deliver(self, request: JobRequest) -> None:
        try:
            next_at = self._next_at(request)
            if next_at is None:
                self._due.remove(request.id)
            else:
                self._due.put(request.id, next_at)
            self._due.release(request.id)
        except JobNotFound:
            log.info("Job %s was deleted, and its webhook with it", request.id)
        except RedisError as error:
            log.warning("The next webhook of %s waits for Redis: %s", request.id, error)
            self._scan_wanted.set()
        except Exception:
            log.exception("The webhook of %s failed", request.id)
        finally:
            self._hand.drop(request.id)
            self._woken.set()

    def _next_at(self, request: JobRequest) -> float | None:
        """Sends what is due; returns when to call again, in unix seconds."""
        try:
            return self._delivered(request)
        except RecordBroken as error:
            return self._put_off(request.id, error)

    def _delivered(self, request: JobRequest) -> float | None:
        unwritten = self._unwritten.pop(request.id, None)
        delivery = self._outbox.delivery(request)
        if delivery is None or delivery.next_at is None:
            return None
        if delivery.next_at > self._clock() + 0.1:  # another sender was here meanwhile
            return delivery.next_at
        attempt = unwritten or self._attempt(request, delivery)
        try:
            self._outbox.record(request.id, attempt)
        except OSError as error:  # called again before it is written, the receiver would hear it over and over
            log.error("The delivery attempt for %s could not be recorded: %s", request.id, error)
            self._unwritten[request.id] = attempt
            return self._clock() + self._timing.webhook_scan
        now = self._outbox.delivery(request)  # somebody may have asked for it again meanwhile
        return now.next_at if now else None

    def _attempt(self, request: JobRequest, delivery: Delivery) -> Attempt:
        began, at = time.monotonic(), self._clock()
        with tracing.span("webhook", request.traceparent, "client", whisper__job__id=request.id) as traced:
            answer = self._call(request, delivery.id, int(at))
            verdict = self._schedule.judge(answer, delivery.tried, at)
            traced.note(http__response__status_code=answer.status, whisper__end=verdict.state)
            if verdict.state != "delivered":
                traced.fail(verdict.state)
        WEBHOOK_ATTEMPTS.labels(verdict.state).inc()
        next_at = None if verdict.wait is None else self._clock() + verdict.wait
        seconds = round(time.monotonic() - began, 3)
        _log(request, len(delivery.attempts) + 1, answer, verdict.state, verdict.wait)
        return Attempt(at, seconds, answer.status, answer.error, verdict.state, next_at)

    def _call(self, request: JobRequest, event: str, timestamp: int) -> Answer:
        outcome, webhook = self._store.outcome(request.id), request.webhook
        if outcome is None or webhook is None:
            raise JobNotFound(request.id)
        transcript = self._store.transcript(request.id) if outcome.state == "finished" else None
        edits = self._store.transcripts.edits(request.id)
        names = self._store.transcripts.names(request.id)
        expires_at = self._expiry.shown(request, outcome)
        body = message(request, outcome, transcript, self._signing.public_url, edits, expires_at, names)
        signed = signed_headers(self._signing.keys, event, timestamp, body)
        headers = {**tracing.header_beside(webhook.headers), **webhook.headers, **signed}
        return self._calls.call(webhook.url, headers, body)


def _host(url: str) -> str:
    try:
        target = Target.parse(url)
    except Refused:
        return ""
    return f"{target.host}:{target.port}"


def _log(request: JobRequest, number: int, answer: Answer, state: str, wait: float | None) -> None:
    """Never the URL: n8n's hold a secret."""
    host = _host(request.webhook.url) if request.webhook else ""
    outcome = state if wait is None else f"again in {wait:.1f} s"
    log.info("%s: call %d to %s: %s; %s", request.id, number, host, answer.status or answer.error, outcome)
