"""A Redis that the service cannot run on is refused with one line; one with a private CA is used."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from scripts.doctor import queues
from scripts.redis_server.given_redis import problem_with
from scripts.redis_server.program import find_server
from tests.acceptance.live import LiveService
from tests.integration.running_worker import answers, redis_server, wait_for
from worker.runtime.connection import connect, connect_briefly, connect_feed
from worker.store.store_id import store_id

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")


@pytest.mark.fault(98)
def test_a_redis_with_another_directorys_queues_is_refused_while_that_is_served(tmp_path: Path) -> None:
    """Takes over 10 s: three starts of a service, one of which has to wait until the first is forgotten."""
    with redis_server() as redis:
        settings = {"WHISPER_REDIS_URL": redis.url, "WHISPER_ENGINE": "fake", "WHISPER_TIME_SCALE": "0.1"}
        first, second = (LiveService(tmp_path / name, settings) for name in ("first", "second"))
        first.start()
        with pytest.raises(AssertionError, match="exit code 1"):
            second.start()
        (line,) = second.log().splitlines()
        assert str(first.data.resolve()) in line
        (finding,) = queues.queues(redis.url, None, store_id(second.data))
        assert (finding.state, "another data directory" in finding.detail) == ("FAILURE", True)
        assert queues.queues(redis.url, None, store_id(first.data))[0].state == "OK"
        first.kill()
        wait_for(lambda: problem_with(redis.url, store_id(second.data)) is None)
        second.start()
        second.stop()


@contextmanager
def server(directory: Path, *options: str) -> Iterator[str]:
    """Gives its URL."""
    socket = directory / "redis.sock"
    config = directory / "redis.conf"
    config.write_text(f'port 0\nunixsocket "{socket}"\ndir "{directory}"\nsave ""\n')
    process = subprocess.Popen([str(find_server()), str(config), *options], stdout=subprocess.DEVNULL)
    try:
        with connect_briefly(f"unix://{socket}") as client:
            wait_for(lambda: answers(client))
        yield f"unix://{socket}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.fault(95)
@pytest.mark.parametrize(
    ("option", "told"),
    [("--cluster-enabled yes", "cluster mode"), ("--sentinel", "Sentinel")],
)
def test_a_cluster_and_a_sentinel_are_refused(option: str, told: str, tmp_path: Path) -> None:
    with server(tmp_path, *option.split()) as url:
        (finding,) = queues.queues(url, None)
        assert (finding.state, told in finding.detail) == ("FAILURE", True), finding
        service = LiveService(tmp_path, {"WHISPER_REDIS_URL": url})
        with pytest.raises(AssertionError, match="exit code 1"):
            service.start()
    (line,) = service.log().splitlines()
    assert told in line


@contextmanager
def behind_tls(socket: str, cert: trustme.LeafCert) -> Iterator[int]:
    """A port of this machine that speaks TLS and passes everything on to the socket."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    cert.configure_cert(context)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(4096):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, commands = await asyncio.open_unix_connection(socket)
        await asyncio.gather(pass_on(reader, commands), pass_on(answers, writer))

    async def serve() -> None:
        stopped = asyncio.Event()
        async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as relaying:
            started.set_result((asyncio.get_running_loop(), stopped, relaying.sockets[0].getsockname()[1]))
            await stopped.wait()

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(asyncio.run, serve())
        loop, stopped, port = started.result(10)
        try:
            yield port
        finally:
            loop.call_soon_threadsafe(stopped.set)
            serving.result(10)


@pytest.mark.fault(95)
def test_a_certificate_of_a_private_ca_is_taken_once_the_ca_is_named(tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with redis_server() as redis, behind_tls(redis.url.removeprefix("unix://"), ca.issue_cert("localhost")) as port:
        named = f"rediss://localhost:{port}/0?ssl_ca_certs={tmp_path}/ca.pem"
        assert problem_with(named, "") is None
        for client in (connect(named), connect(named, patient=True), connect_feed(named)):
            with client:
                assert client.ping()
        unknown = problem_with(f"rediss://localhost:{port}/0", "")
        assert unknown is not None
        assert "?ssl_ca_certs=" in unknown
        other_name = problem_with(named.replace("localhost", "127.0.0.1"), "")
        assert other_name is not None
        assert "not for the host" in other_name


def test_one_that_is_away_may_come_back(tmp_path: Path) -> None:
    assert problem_with(f"unix://{tmp_path}/none.sock", "") is None
