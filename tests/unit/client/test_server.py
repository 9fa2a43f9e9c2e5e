"""Calls to a server: what passes is waited for, what does not ends the command, and a broken stream is taken up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whisper_native.errors import Failure, KeyRefused, QueueFull, ServerAway, Stopped, failure_of
from whisper_native.http import connection, server
from whisper_native.http.connection import Connection
from whisper_native.http.events import read_events
from whisper_native.http.openai_server import OpenAIServer
from whisper_native.http.server import Server, find, models
from whisper_native.recordings.content import Recording, read

JOB = {"id": "job_1", "status": "queued", "file": {"name": "a.wav"}}
Answer = tuple[int, dict[str, str], bytes]


class Stand:
    """A server that gives the answers a test has prepared for a path, the last one again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                headers = {name.lower(): value for name, value in self.headers.items()}
                stand.requests.append((self.command, self.path, headers, body))
                prepared = stand.answers.get(path, [(404, {}, b"{}")])
                status, more, content = prepared.pop(0) if len(prepared) > 1 else prepared[0]
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def put(self, path: str, *answers: Any) -> None:
        """answers: status, or status and JSON, or status, headers and bytes."""
        self.answers[path] = [self._whole(answer) for answer in answers]

    def _whole(self, answer: Any) -> Answer:
        if isinstance(answer, int):
            return answer, {}, b"{}"
        status, *rest = answer
        return (status, rest[0], rest[1]) if len(rest) == 2 else (status, {}, json.dumps(rest[0]).encode())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(connection, "FIRST_RETURN", 0.01)
    monkeypatch.setattr(server, "LETTING_GO", 0.01)


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.close()


@contextmanager
def connected(stand: Stand, patience: float = 60.0, key: str | None = None) -> Iterator[Connection]:
    connection = Connection(stand.url, key, patience)
    yield connection
    connection.close()


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound" * 1000)
    return read(path, "a.wav", lambda done: None, threading.Event())


def error(code: str) -> dict[str, Any]:
    return {"error": {"message": f"It is {code}.", "type": "x", "param": None, "code": code}}


def submit(stand: Stand, recording: Recording, patience: float = 60.0, **fields: str) -> dict[str, Any]:
    with connected(stand, patience) as connection:
        connection.look("/health")
        return Server(connection, {"default_model": "base"}).submit(recording, fields, lambda sent: None)


def test_a_recording_goes_out_as_it_is_with_its_key_and_its_fields(stand: Stand, recording: Recording) -> None:
    stand.put("/v1/jobs", (202, JOB))
    assert submit(stand, recording, language="de") == JOB
    submit(stand, recording, language="de")
    submit(stand, recording, language="fr")
    first, second, third = stand.requests[1], stand.requests[3], stand.requests[5]
    assert first[3] == recording.path.read_bytes()
    assert first[1] == "/v1/jobs?language=de&filename=a.wav"
    keys = [row[2]["idempotency-key"] for row in (first, second, third)]
    assert keys[0] == keys[1] != keys[2]


def test_a_url_whose_job_failed_is_fetched_again_and_a_worn_out_key_replaced(stand: Stand) -> None:
    """As recordings are."""
    worn_out: Answer = (409, {}, json.dumps(error("audio_deleted")).encode())
    stand.put("/v1/jobs", (202, {**JOB, "status": "failed"}), (202, JOB))
    stand.put("/v1/jobs/job_1/retry", worn_out)
    with connected(stand) as connection:
        assert Server(connection, {}).submit_url("https://example.com/a.mp3", {"language": "de"}) == JOB
    first, _, second = stand.requests
    assert first[3] == b"language=de&url=https%3A%2F%2Fexample.com%2Fa.mp3"
    assert first[2]["idempotency-key"] != second[2]["idempotency-key"]


def test_long_fields_go_into_a_form(stand: Stand, recording: Recording) -> None:
    stand.put("/v1/jobs", (202, JOB))
    submit(stand, recording, prompt="word " * 1500)
    _, path, headers, body = stand.requests[1]
    assert path == "/v1/jobs"
    assert headers["content-type"].startswith("multipart/form-data")
    assert b'filename="a.wav"' in body
    assert recording.path.read_bytes() in body


def test_what_passes_is_waited_for(stand: Stand, recording: Recording) -> None:
    busy = (429, {"retry-after": "0"}, json.dumps(error("queue_full")).encode())
    in_use = (409, {"retry-after": "0"}, json.dumps(error("idempotency_key_in_use")).encode())
    stand.put("/v1/jobs", busy, in_use, 503, (202, JOB))
    assert submit(stand, recording) == JOB
    assert len(stand.requests) == 5


def test_patience_begins_with_the_trouble_and_not_with_the_upload(
    stand: Stand, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long upload that is refused at its end for now is tried again."""
    passed = [0.0]
    monkeypatch.setattr("whisper_native.http.connection.time", SimpleNamespace(monotonic=lambda: passed[0]))
    stand.put("/v1/jobs", (503, {"retry-after": "0.001"}, b"{}"), (202, JOB))
    with connected(stand, patience=60.0) as connection:
        connection.look("/health")

        def slowly(sent: int) -> None:
            passed[0] += 100.0

        assert Server(connection, {}).submit(recording, {}, slowly) == JOB


@pytest.mark.parametrize("fields", [{}, {"prompt": "word " * 1500}])
def test_a_recording_that_grows_goes_out_as_it_was_read(
    stand: Stand, recording: Recording, fields: dict[str, str]
) -> None:
    whole = recording.path.read_bytes()
    recording.path.write_bytes(whole + b"more")
    stand.put("/v1/jobs", (202, JOB))
    assert submit(stand, recording, patience=0.0, **fields) == JOB
    assert whole in stand.requests[1][3]
    assert b"more" not in stand.requests[1][3]


@pytest.mark.parametrize("fields", [{}, {"prompt": "word " * 1500}])
def test_a_recording_that_shrinks_is_the_one_that_fails(
    stand: Stand, recording: Recording, fields: dict[str, str]
) -> None:
    recording.path.write_bytes(b"sound")
    with pytest.raises(Failure, match="changed while it was sent") as raised:
        submit(stand, recording, patience=0.0, **fields)
    assert not raised.value.is_everybodys
    recording.path.unlink()
    with pytest.raises(Failure, match="cannot be read"):
        submit(stand, recording, patience=0.0, **fields)


@pytest.mark.parametrize(
    ("status", "code", "kind", "exit_code"),
    [
        (429, "queue_full", QueueFull, 5),
        (503, "redis_unavailable", ServerAway, 3),
        (401, "invalid_api_key", KeyRefused, 4),
        (413, "file_too_large", Failure, 1),
    ],
)
def test_what_does_not_ends_the_command(
    stand: Stand, recording: Recording, status: int, code: str, kind: type[Failure], exit_code: int
) -> None:
    stand.put("/v1/jobs", (status, error(code)))
    with pytest.raises(kind, match=f"It is {code}") as caught:
        submit(stand, recording, patience=0.02)
    assert (caught.value.exit_code, caught.value.code) == (exit_code, code)
    assert caught.value.is_everybodys is (exit_code != 1)


@pytest.mark.fault(152)
def test_a_server_that_goes_away_is_away(stand: Stand, recording: Recording) -> None:
    with connected(stand, patience=0.02) as connection:
        connection.look("/")
        stand.close()
        with pytest.raises(ServerAway, match="whisper-native serve"):
            Server(connection, {}).submit(recording, {}, lambda sent: None)


def test_a_job_that_had_ended_badly_runs_again(stand: Stand, recording: Recording) -> None:
    stand.put("/v1/jobs", (202, {**JOB, "status": "canceled"}))
    stand.put("/v1/jobs/job_1", (200, {**JOB, "status": "canceled"}))
    stand.put("/v1/jobs/job_1/retry", (409, error("job_not_finished")), (202, JOB))
    assert submit(stand, recording)["status"] == "queued"


@pytest.mark.parametrize("code", ["audio_deleted", "idempotency_key_reused"])
def test_a_key_that_is_worn_out_gives_way_to_the_next(stand: Stand, recording: Recording, code: str) -> None:
    """Each run takes the same way, so that it still ends at the same job."""
    failed = (202, {**JOB, "status": "failed"})
    refused = (422, error(code))
    stand.put("/v1/jobs/job_1/retry", (410, error("audio_deleted")))
    for _ in range(2):
        stand.put("/v1/jobs", failed if code == "audio_deleted" else refused, (202, JOB))
        assert submit(stand, recording) == JOB
    keys = [row[2]["idempotency-key"] for row in stand.requests if row[1].startswith("/v1/jobs?")]
    assert keys[0] == keys[2] != keys[1] == keys[3]
    stand.put("/v1/jobs", refused)
    with pytest.raises(Failure, match=code):
        submit(stand, recording)


@pytest.mark.fault(152)
def test_a_stream_that_breaks_is_taken_up_where_it_was(stand: Stand) -> None:
    begun = b'id: 1-0:1\nevent: segment\ndata: {"id": 0, "text": " Hello"}\n\n'
    rest = b': ping\n\nid: 2-0:1\nevent: progress\ndata: {"processed": 1, "total": 2}\n\n'
    done = b'id: end\nevent: done\ndata: {"id": "job_1", "status": "finished"}\n\n'
    torn = (200, {"content-length": str(len(begun) + 100)}, begun)
    stand.put("/v1/jobs/job_1/events", torn, 503, (200, {}, rest), (200, {}, done))
    with connected(stand) as connection:
        events = list(Server(connection, {}).follow("job_1"))
    assert [event.name for event in events] == ["segment", "progress", "done"]
    assert [row[2].get("last-event-id") for row in stand.requests] == [None, "1-0:1", "1-0:1", "2-0:1"]


@pytest.mark.parametrize("body", [b"<html>a router</html>", b"[]", b'{"data": {}}'])
def test_a_server_of_something_else_is_named(stand: Stand, body: bytes) -> None:
    """As at the port of a router's own pages, which answer everything."""
    stand.put("/v1/models", (200, {}, body))
    with connected(stand) as connection, pytest.raises(Failure, match="does not speak OpenAI's API"):
        models(connection)


def test_a_stream_without_a_word_is_asked_for_its_job(stand: Stand) -> None:
    stand.put("/v1/jobs/job_1/events", (204, {}, b""))
    stand.put("/v1/jobs/job_1", (200, {**JOB, "status": "finished"}))
    with connected(stand) as connection:
        [event] = Server(connection, {}).follow("job_1")
    assert (event.name, event.data["status"]) == ("done", "finished")


def test_events_are_read_as_they_are_sent() -> None:
    lines = [
        "retry: 2000",
        "",
        ": ping",
        "",
        "id: 7",
        "event: progress",
        'data: {"a":',
        "data: 1}",
        "",
        "data: [DONE]",
        "",
    ]
    assert [(event.id, event.name, event.data) for event in read_events(lines)] == [("7", "progress", {"a": 1})]


def test_another_server_that_speaks_openais_api(stand: Stand, recording: Recording) -> None:
    stand.put("/v1/audio/transcriptions", (200, {}, b"1\n00:00 ..."))
    with connected(stand, key="sk-1") as connection:
        assert find(connection) is None
        server = OpenAIServer(connection)
        fields = {"language": "de", "priority": "batch"}
        assert server.transcribe(recording, fields, "srt", lambda sent: None) == b"1\n00:00 ..."
        with pytest.raises(Failure, match="docx"):
            server.transcribe(recording, {}, "docx", lambda sent: None)
    _, _, headers, body = stand.requests[-1]
    assert headers["authorization"] == "Bearer sk-1"
    assert b'name="language"' in body
    assert b"whisper-1" in body
    assert b"priority" not in body
    assert recording.path.read_bytes() in body


def test_a_service_is_known_by_what_it_says(stand: Stand) -> None:
    stand.put("/v1/info", (200, {"name": "whisper-native", "default_model": "base"}))
    with connected(stand) as connection:
        assert find(connection) is not None
        stand.put("/v1/info", 404)
        assert find(connection) is None
        stand.put("/v1/jobs", (200, {"data": [], "has_more": False}))  # version 0.1 has no /v1/info
        assert find(connection) is not None
        stand.put("/v1/info", (401, error("invalid_api_key")))
        with pytest.raises(KeyRefused):
            find(connection)


@pytest.mark.parametrize("url", ["", "/", "/v1", "/v1/"])
def test_an_address_is_taken_with_and_without_v1(stand: Stand, url: str) -> None:
    connection = Connection(stand.url + url, None, 0)
    assert connection.url == stand.url
    connection.close()


@pytest.mark.parametrize("url", ["http://[", "http://a:99999", "ftp://a", "localhost:9001", "http://", "http://a:b"])
def test_what_is_no_address_of_a_server_is_told(url: str) -> None:
    with pytest.raises(ServerAway, match="URL"):
        Connection(url, None, 0)


@pytest.mark.parametrize("key", ["schl\u00fcssel", "sk-1\nsk-2", "sk 1", "\u200bsk-1"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(stand: Stand, key: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        Connection(stand.url, key, 0)
    assert key not in str(caught.value)


@pytest.mark.parametrize("job_id", ["../info", "a\nb", "a?b#c", "..", "\udcff"])
def test_what_is_no_id_is_no_other_path(stand: Stand, job_id: str) -> None:
    with connected(stand) as connection, pytest.raises(Failure):
        Server(connection, {}).job(job_id)
    _, path, _, _ = stand.requests[-1]
    assert path.startswith("/v1/jobs/")
    assert path.partition("?")[0].count("/") == 3


def test_errors_of_any_server_are_understood() -> None:
    assert str(failure_of(400, {"error": "just text"})) == "just text"
    assert str(failure_of(500, None)) == "The server answered 500."
    assert failure_of(500, ["odd"]).code == "500"


def test_a_user_who_stops_stops_at_once(stand: Stand, recording: Recording) -> None:
    with connected(stand) as connection:
        connection.stop.set()
        with pytest.raises(Stopped):
            connection.pause(10)
        with pytest.raises(Stopped):
            read(recording.path, "a.wav", lambda done: None, connection.stop)
        with pytest.raises(Stopped):
            Server(connection, {}).submit(recording, {}, lambda sent: None)
