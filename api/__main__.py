"""`python -m api`: the HTTP process. It wants WHISPER_REDIS_URL; the supervisor sets it."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until all is imported: looking again and again through what stays takes a tenth of the start

import asyncio
import logging
import math
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from api.answers.waiting import Waiters
from api.app import create_app
from api.http.connections import ACCEPTED, Limits, bounded_protocol, let_wait
from api.settings import ApiSettings
from worker.fleet.store_note import StoreNote
from worker.runtime import lifeline, log_file, logs, open_files, redis_security
from worker.runtime.connection import connect, connect_feed
from worker.runtime.timing import Timing
from worker.settings import WorkerSettings, explain
from worker.store.factory import open_store
from worker.telemetry import tracing

OWN_FILES = 150  # that are open or may be without any client: the store, Redis, the feed, threads at work
FILES_EACH = 2  # of a client: its connection and what it sends or reads
MIN_CONNECTIONS = 20

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Accepts a few connections at a time, and sends waiting clients away with their jobs' ids before it stops."""

    def __init__(self, config: uvicorn.Config, waiters: Waiters) -> None:
        super().__init__(config)
        self._waiters = waiters
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """As uvicorn's, which looks ten times a second whether it is to stop: here a signal wakes it, and in between it
        only keeps the date that answers carry."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), timeout=1.0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        let_wait(self.servers)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._waiters.close()
        await super().shutdown(sockets)


def main() -> int:
    gc.freeze()  # what was imported stays: no collection looks at it
    gc.enable()
    try:
        settings, worker_settings = ApiSettings(), WorkerSettings()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        return 2
    if not worker_settings.redis_url:
        print(
            "Set WHISPER_REDIS_URL, or start everything: whisper-native serve run (in a checkout: make run).",
            file=sys.stderr,
        )
        return 2
    secrets = (key.get_secret_value() for key in settings.api_keys.values())
    logs.set_up("api", worker_settings.log_level, worker_settings.log_format, secrets)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # broken forms are answered, not news
    tracing.set_up("api")
    timing = worker_settings.timing
    if code := StoreNote.refused_at_start(worker_settings, timing, worker_settings.redis_url):
        return code
    lifeline.watch(timing.grace)
    log_file.follow()
    connections = max(MIN_CONNECTIONS, (open_files.allow_many() - OWN_FILES) // FILES_EACH)
    store, redis = open_store(worker_settings), connect(worker_settings.redis_url)
    store.keep_index(timing)
    feed = connect_feed(worker_settings.redis_url, timing)
    for warning in [*redis_security.warnings(worker_settings.redis_url), *redis_security.findings(redis)]:
        log.warning("%s", warning)
    app = create_app(
        settings, worker_settings, store=store, redis=redis, feed=feed, timing=timing, connections=connections
    )
    limits = Limits(timing.head, connections)
    Server(_config(app, settings, timing, limits), app.state.service.waiters).run()
    tracing.shut_down()
    return 0


def _config(app: FastAPI, settings: ApiSettings, timing: Timing, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # ours is set up
        access_log=False,  # it would log query strings; api/http/access_log.py writes the line
        proxy_headers=False,  # a forwarded address must not make a caller local
        server_header=False,
        loop="asyncio",  # uvloop reads more at once than one connection may
        http=bounded_protocol(limits),
        backlog=ACCEPTED,
        ws="none",  # there are none
        timeout_keep_alive=math.ceil(timing.keep_alive),
        timeout_graceful_shutdown=math.ceil(timing.api_stop),
    )


if __name__ == "__main__":
    sys.exit(main())
