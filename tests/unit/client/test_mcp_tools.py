"""Tools whose patience ends: the agent is answered, and what it began goes on."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.unit.client.test_mcp_answers import JOB
from whisper_native.errors import Failure
from whisper_native.http.connection import Connection
from whisper_native.mcp.uploads import recording_at

INFO = {"name": "whisper-native", "default_model": "base"}


class Slow:
    """A server that takes an upload when it may, and whose job never ends."""

    def __init__(self, status: str) -> None:
        self.status = status
        self.may_answer, self.over = threading.Event(), threading.Event()
        self.uploads = 0
        self.keys: list[str] = []  # idempotency keys

    def answer(self, method: str, query: str) -> dict[str, Any]:
        if method == "POST":
            self.uploads += 1
            assert self.may_answer.wait(60)
        elif wait := parse_qs(query).get("wait"):
            self.over.wait(float(wait[0]))
        return {**JOB, "status": self.status}


@contextmanager
def serving(slow: Slow) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            slow.keys += filter(None, [self.headers.get("idempotency-key")])
            path, _, query = self.path.partition("?")
            found = INFO if path == "/v1/info" else slow.answer(self.command, query)
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        slow.may_answer.set()
        slow.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound" * 1000)
    return path


async def uploaded(call: Callable[[], Any]) -> Any:
    """What a call is answered once the recording is there."""
    async with asyncio.timeout(60):
        while (answer := await call())["job"]["status"] == "uploading":
            continue
    return answer


def test_an_upload_that_takes_long_goes_on_and_is_joined_by_the_next_call(recording: Path) -> None:
    slow = Slow("queued")

    async def agent(call: Callable[[], Any]) -> None:
        first = await call()
        assert (first["job"]["status"], first["job"]["id"]) == ("uploading", None)
        assert "again with the same arguments" in first["job"]["next"]
        slow.may_answer.set()
        second = await uploaded(call)
        assert (second["job"]["status"], second["job"]["id"], second["transcript"]) == ("queued", JOB["id"], None)
        assert slow.uploads == 1

    with serving(slow) as url:
        asyncio.run(_with_client(url, recording, agent))


def test_a_job_that_takes_long_is_handed_back(recording: Path) -> None:
    slow = Slow("started")
    slow.may_answer.set()

    async def agent(call: Callable[[], Any]) -> None:
        job = (await uploaded(call))["job"]
        assert (job["id"], job["next"]) == (JOB["id"], "Call job_status in about 12 seconds.")

    with serving(slow) as url:
        asyncio.run(_with_client(url, recording, agent))


def test_the_same_url_with_the_same_options_is_the_same_job() -> None:
    """As the tool says of itself."""
    slow = Slow("finished")
    slow.may_answer.set()

    async def agent(call: Callable[..., Any]) -> None:
        for more in ({}, {}, {"language": "de"}):
            assert (await call(path=None, url="https://example.com/talk.mp3", **more))["job"]["id"] == JOB["id"]

    with serving(slow) as url:
        asyncio.run(_with_client(url, Path(), agent))
    first, second, third = slow.keys
    assert first == second != third


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (f"/{'a' * 5000}.wav", "too long"),
        ("~no-such-user-here/a.wav", "home directory"),
        ("/a\0.wav", "cannot be read"),
        ("/a/\ud800.wav", "cannot be read"),
        ("/dev/null", "is not a file"),
        ("/none.wav", "There is no file"),
    ],
)
def test_a_path_that_cannot_be_is_said_to_be_so(named: str, says: str) -> None:
    with pytest.raises(Failure, match=says) as raised:
        recording_at(named)
    assert len(str(raised.value)) < 400


async def _with_client(url: str, recording: Path, agent: Callable[[Callable[..., Any]], Any]) -> None:
    from mcp import Client  # which takes half a second, in every process that only collects tests

    from whisper_native.mcp.tools import mcp_server

    async with Client(mcp_server(lambda: Connection(url, None, 60), "1.0", patience=0.1)) as client:

        async def call(**given: Any) -> Any:
            return (await client.call_tool("transcribe", {"path": str(recording), **given})).structured_content

        await agent(call)
