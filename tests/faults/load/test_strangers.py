"""What somebody without a key sends is no burden to others: `/health` stays quick, and nothing runs out for good."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance import wire
from tests.acceptance.live import LiveService, until
from tests.services import Start

LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
# Seconds; more if others are at work on this machine, as other test files are if they run in parallel.
MOST = 0.25 * max(1.0, LOAD / (os.cpu_count() or 1), 6.0 if "PYTEST_XDIST_WORKER" in os.environ else 1.0)
SECONDS = 0.5 if "PYTEST_XDIST_WORKER" in os.environ else 2.0  # of asking, beside a flood; alone, for figures
POST = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\n"
CHUNKED = POST + b"content-type: multipart/form-data; boundary=x\r\ntransfer-encoding: chunked\r\n\r\n"
FLOODS = {
    "long paths": [b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n"] * 20,
    "paths of 8 kB": [b"GET /" + b"a" * 8_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n"] * 50,
    "long headers": [b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 10_000_000] * 5,
    "long methods": [b"A" * 1_000_000] * 10,
    "chunks of a byte": [CHUNKED + b"1\r\na\r\n" * 1_000_000] * 2,
    "odd methods": [b"FETCH / HTTP/1.1\r\nhost: localhost\r\n\r\n"] * 200,
    "many headers": [b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 10_000 + b"\r\n"] * 50,
    "long keys": [b"GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic " + b"YTpi" * 15_000 + b"\r\n\r\n"] * 50,
    "long queries": [b"GET /v1/jobs?" + b"a=%2e&" * 1_300 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n"] * 50,
    "chunks with extensions": [CHUNKED + (b"1;" + b"e" * 10_000 + b"\r\na\r\n") * 200] * 5,
    "half heads": [b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "] * 200,
    "half requests": [POST + b"content-length: 100\r\n\r\nabc"] * 100,
    "requests in one go": [b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n" * 20_000] * 2,
}


def slowest_health(service: LiveService, seconds: float) -> float:
    end, took = time.monotonic() + seconds, 0.0
    with service.http() as client:
        while time.monotonic() < end:
            began = time.monotonic()
            assert client.get("/health").status_code == 200
            took = max(took, time.monotonic() - began)
    return took


def send(port: int, data: bytes) -> None:
    with contextlib.suppress(OSError), wire.connect(port) as connection:
        connection.settimeout(3)
        connection.sendall(data)


@pytest.mark.fault(68)
@pytest.mark.fault(69)
@pytest.mark.parametrize("what", FLOODS)
def test_health_stays_quick(keyed: LiveService, what: str) -> None:
    threads = [threading.Thread(target=send, args=(keyed.port, data)) for data in FLOODS[what]]
    for thread in threads:
        thread.start()
    try:
        assert slowest_health(keyed, SECONDS) < MOST
    finally:
        for thread in threads:
            thread.join()


@pytest.mark.fault(70)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the limit of another process")
def test_a_service_without_files_to_open_says_so_and_recovers(start_service: Start, clip: Path) -> None:
    service = start_service("files", WHISPER_ENGINE="fake")
    (api,) = [child for child in psutil.Process(service.running.pid).children() if "api" in child.cmdline()]
    soft, hard = api.rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 65_536) or soft >= 65_536, "it is raised at start"
    idle = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(20)]
    until(lambda: api.num_fds() > 20, "they are accepted")
    statuses: set[int] = set()
    try:
        for _ in range(10):
            with service.http() as client, contextlib.suppress(httpx.HTTPError):
                client.get("/health")  # connected; what is sent over it next finds no file to open
                api.rlimit(psutil.RLIMIT_NOFILE, (api.num_fds(), hard))
                answer = client.post("/v1/jobs", files={"file": clip.read_bytes()}, timeout=2)
                statuses.add(answer.status_code)
                assert answer.status_code == 202 or int(answer.headers["retry-after"]) > 0
                with contextlib.suppress(httpx.HTTPError):  # a new connection is one file too many, and waits
                    httpx.get(f"{service.url}/health", timeout=0.2)
            api.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
    finally:
        api.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
        for connection in idle:
            connection.close()
    assert 503 in statuses
    assert statuses <= {202, 503}
    assert service.log().count("Traceback") <= 2, service.log()
    assert len(service.log()) < 200_000
    until(lambda: not list((service.data / "incoming").iterdir()), "nothing is left")
    assert service.transcribe(clip).status_code == 200
