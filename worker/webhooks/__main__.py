"""`python -m worker.webhooks`: the process that calls back. It wants WHISPER_REDIS_URL; the supervisor sets it."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until all is imported: looking again and again through what stays takes a tenth of the start

import logging
import os
import signal
import sys
import threading
from types import FrameType

from pydantic import ValidationError

from worker.fleet.clock import RedisClock
from worker.fleet.identity import process_name
from worker.fleet.store_note import StoreNote
from worker.outbound.addresses import AddressBook
from worker.outbound.client import WebhookClient, tls_context
from worker.queue.events import FeedReader
from worker.runtime import lifeline, log_file, logs, open_files
from worker.runtime.connection import connect, connect_feed
from worker.runtime.timing import Timing
from worker.settings import WorkerSettings, explain
from worker.store.factory import open_store
from worker.telemetry import tracing
from worker.telemetry.totals import Totals
from worker.webhooks.delivery_queue import AGAIN, DeliveryQueue
from worker.webhooks.keys import key_of, own_secret
from worker.webhooks.schedule import Schedule
from worker.webhooks.sender import Sender, SigningConfig

_NEWS = ("finished", "failed", "canceled", AGAIN)


def main() -> int:
    gc.freeze()  # what was imported stays: no collection looks at it
    gc.enable()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        return 2
    logs.set_up("webhooks", settings.log_level, settings.log_format)
    logging.getLogger("httpcore2").setLevel(logging.WARNING)  # it would log headers, which are secrets
    if not settings.redis_url:
        print(
            "Set WHISPER_REDIS_URL, or start everything: whisper-native serve run (in a checkout: make run).",
            file=sys.stderr,
        )
        return 2
    if code := StoreNote.refused_at_start(settings, settings.timing, settings.redis_url):
        return code
    lifeline.watch(settings.timing.grace)
    log_file.follow()
    open_files.allow_many()
    tracing.set_up("webhooks")
    clock = RedisClock()
    clock.keep_measuring(connect(settings.redis_url), settings.timing.beat)
    _serve(_sender(settings, settings.redis_url, clock), settings.redis_url, settings.timing)
    tracing.shut_down()
    sys.stdout.flush()
    os._exit(0)  # calls that are not done are made again; their threads must not hold the exit up


def _sender(settings: WorkerSettings, redis_url: str, clock: RedisClock) -> Sender:
    keys = settings.webhook_keys or [key_of(own_secret(settings.data_dir))]
    caller = WebhookClient(
        AddressBook(settings.webhook_policy), tls_context(settings.webhook_ca_file), settings.webhook_timeout
    )
    return Sender(
        open_store(settings),
        DeliveryQueue(connect(redis_url), process_name(), settings.timing),
        caller,
        SigningConfig(keys, settings.public_url),
        Schedule.parse(settings.webhook_schedule),
        clock.now,
        timing=settings.timing,
        keep=settings.keep.jobs,
    )


def _serve(sender: Sender, redis_url: str, timing: Timing) -> None:
    stopped = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            os._exit(1)  # asked twice
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    feed = FeedReader(
        connect_feed(redis_url, timing),
        lambda job_id, state: sender.look_at(job_id) if state in _NEWS else None,
        sender.scan_soon,
        timing,
    )
    feed.start()
    Totals().keep_adding(connect(redis_url), timing.beat)
    threading.Thread(target=sender.run, name="sender", daemon=True).start()
    while not stopped.wait(2.0):  # without a timeout a signal may come just before the wait and be lost
        continue
    sender.stop(timing.webhooks_stop)


if __name__ == "__main__":
    sys.exit(main())
