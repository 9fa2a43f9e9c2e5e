"""How long a client of Redis waits for one that hangs, and for one that comes back."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ConnectionError, TimeoutError

from worker.runtime import connection
from worker.runtime.circuit_breaker import CircuitBreaker
from worker.runtime.connection import connect, connect_feed
from worker.runtime.timing import Timing

SOON = replace(Timing(), redis_answer=0.1, feed_block=0.1)


@contextmanager
def silent_redis() -> Iterator[tuple[str, socket.socket]]:
    """Takes connections, as the kernel does for a process that was stopped, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", server


def seconds_of(call: object) -> float:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        call()  # type: ignore[operator]  # any method of a client
    return time.monotonic() - began


@pytest.mark.fault(94)
def test_one_call_waits_for_a_silent_redis_and_the_next_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CircuitBreaker", partial(CircuitBreaker, pause=60.0))
    with silent_redis() as (url, server), connect(url, timing=SOON) as redis:
        assert SOON.redis_answer <= seconds_of(redis.ping) < Timing().redis_answer
        server.accept()[0].close()
        server.setblocking(False)
        for call in (redis.ping, redis.pipeline().ping().execute, lambda: list(redis.scan_iter("*"))):
            seconds_of(call)
            with pytest.raises(BlockingIOError):  # they do not even call it
                server.accept()


def test_a_read_of_the_feed_may_block() -> None:
    with silent_redis() as (url, _), connect_feed(url, SOON) as redis:
        assert seconds_of(redis.ping) >= SOON.feed_block + SOON.redis_answer


def test_each_of_a_workers_slots_has_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle one is blocked in a read. After hours of load there are as many for each model that not every worker
    serves as for the common queues, and the heart must not be the one that gets none."""
    monkeypatch.setattr(Connection, "connect", lambda self: None)
    monkeypatch.setattr(Connection, "can_read", lambda self, timeout=0: False)
    with connect("redis://127.0.0.1:1/0", patient=True) as redis:
        held = [redis.connection_pool.get_connection() for _ in range(5 * 64)]  # settings allow 64 of a kind
        for each in held:
            redis.connection_pool.release(each)


@pytest.mark.skipif(os.name == "nt", reason="unix sockets")
def test_a_redis_that_is_gone_is_no_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_BACKOFF", NoBackoff())
    with connect(f"unix://{tmp_path}/none.sock", timing=SOON) as redis:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                redis.ping()


def test_the_circuit_closes_once_redis_answers() -> None:
    answers = False
    breaker = CircuitBreaker(lambda: answers, pause=0.01)
    breaker.check()
    breaker.open()
    with pytest.raises(TimeoutError):
        breaker.check()
    answers = True
    time.sleep(0.02)  # the pause itself
    breaker.check()
    breaker.check()


def test_only_one_asks_at_a_time_and_nobody_waits_for_it() -> None:
    asked, answer = threading.Event(), threading.Event()
    looks = 0

    def answers() -> bool:
        nonlocal looks
        looks += 1
        asked.set()
        return answer.wait(10)

    breaker = CircuitBreaker(answers, pause=0.0)
    breaker.open()
    asking = threading.Thread(target=breaker.check)
    asking.start()
    assert asked.wait(10)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            breaker.check()
    answer.set()
    asking.join()
    breaker.check()
    assert looks == 1
