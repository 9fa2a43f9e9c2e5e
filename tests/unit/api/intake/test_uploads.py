"""An upload becomes a job or leaves nothing behind, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api.intake import uploads
from tests.unit.api_service import WAV, Running, assert_error, serving, until
from worker.store.local.upload import LocalUpload

pytestmark = pytest.mark.asyncio
TRANSCRIPTIONS = "/v1/audio/transcriptions"
MEGABYTE = 1024 * 1024


def assert_nothing_left(running: Running) -> None:
    assert running.leftovers() == []
    assert running.job_ids() == []


async def in_pieces(body: bytes, step: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(body), step):
        yield body[start : start + step]


def form(content: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    request = httpx.Request("POST", "http://x", data=fields, files={"file": ("clip.wav", content)})
    return request.read(), {"content-type": request.headers["content-type"]}


async def test_the_recording_is_stored_byte_for_byte(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000  # more than one buffer
    async with serving(tmp_path) as running:
        response = await running.client.post("/v1/jobs", files={"file": ("Größe 1.wav", content)})
        assert response.status_code == 202
        job = response.json()
        assert job["file"] == {"name": "Größe 1.wav", "bytes": len(content)}
        assert running.store.source(job["id"]).read_bytes() == content


async def test_a_body_can_be_the_recording_itself(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        query = {"filename": "../a.mp3", "language": "de", "metadata": '{"a": 1}'}
        response = await running.client.post(
            "/v1/jobs", content=WAV, params=query, headers={"content-type": "audio/mpeg"}
        )
        job = response.json()
        assert (response.status_code, job["language"], job["metadata"]) == (202, "de", {"a": 1})
        assert job["file"] == {"name": "a.mp3", "bytes": len(WAV)}
        assert running.store.source(job["id"]).read_bytes() == WAV


@pytest.mark.parametrize(
    ("query", "disposition", "name"),
    [
        ("file_name=a.mp3", None, "a.mp3"),
        ("filename=b.mp3&file_name=a.mp3", 'attachment; filename="c.mp3"', "b.mp3"),
        ("", 'attachment; filename="..\\c d.mp3"', "c d.mp3"),
        ("filename=", "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.mp3", "Größe.mp3"),
        ("", "attachment", "upload"),
        ("", "nonsense=\xff;;", "upload"),
    ],
)
async def test_a_recording_that_is_the_body_has_its_name(
    tmp_path: Path, query: str, disposition: str | None, name: str
) -> None:
    named = [(b"content-disposition", disposition.encode("latin-1"))] if disposition else []
    async with serving(tmp_path) as running:
        headers = [(b"content-type", b"audio/mpeg"), *named]
        job = (await running.client.post(f"/v1/jobs?{query}", content=WAV, headers=headers)).json()
        assert job["file"]["name"] == name
        assert job["warnings"] == []


async def test_query_parameters_that_are_not_read_are_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        query, raw = "langauge=de&language=en&keywords[]=x&user=7&langauge=x", {"content-type": "audio/mpeg"}
        job = (await running.client.post(f"/v1/jobs?{query}", content=WAV, headers=raw)).json()
        [warning] = job["warnings"]
        assert warning["code"] == "unknown_fields"
        assert "'langauge', 'user'. " in warning["message"]
        assert (await running.client.get(f"/v1/jobs/{job['id']}")).json()["warnings"] == [warning]
        running.finish(job["id"])
        assert (await running.client.get(f"/v1/jobs/{job['id']}")).json()["warnings"] == [warning]


async def test_fields_are_read_from_the_query_beside_a_form_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        sent = {"language": "de", "keywords[]": ["x"]}
        query = "language=en&task=translate&keywords=a,b&langauge=de"
        job = (await running.client.post(f"/v1/jobs?{query}", data=sent, files={"file": ("a.wav", WAV)})).json()
        assert (job["language"], job["task"], job["file"]["name"]) == ("de", "translate", "a.wav")
        assert running.store.request(job["id"]).options.hotwords == "x"
        assert "'langauge'. " in job["warnings"][0]["message"]
        refused = await running.client.post("/v1/jobs?known_speaker_names[]=a", files={"file": WAV})
        assert_error(refused, 400, "invalid_value", "known_speaker_names")
        headers = {"prefer": "respond-async"}
        job = (await running.client.post(f"{TRANSCRIPTIONS}?language=de", files={"file": WAV}, headers=headers)).json()
        assert (job["language"], job["warnings"][0]["code"]) == (None, "unknown_fields")


async def test_other_bodies_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", ""):
            response = await running.client.post("/v1/jobs", content=WAV, headers={"content-type": content_type})
            assert "multipart/form-data" in assert_error(response, 400, "invalid_content_type", "file")
            assert_nothing_left(running)


async def test_the_openai_routes_take_forms_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        response = await running.client.post(
            "/v1/audio/transcriptions", content=WAV, headers={"content-type": "audio/wav"}
        )
        assert_error(response, 400, "invalid_content_type", "file")


@pytest.mark.parametrize("raw", [True, False])
async def test_an_empty_file_is_refused(tmp_path: Path, raw: bool) -> None:
    body, headers = (b"", {"content-type": "audio/wav"}) if raw else form(b"")
    async with serving(tmp_path) as running:
        response = await running.client.post("/v1/jobs", content=body, headers=headers)
        assert_error(response, 400, "empty_file", "file")
        assert_nothing_left(running)


@pytest.mark.fault(31)
async def test_too_large_by_its_own_word_is_refused_unread(tmp_path: Path) -> None:
    async with serving(tmp_path, max_upload_mb=1) as running:
        taken = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal taken
            async for piece in in_pieces(bytes(20 * MEGABYTE)):
                taken += len(piece)
                yield piece

        _, headers = form(b"x")
        await until(lambda: taken == 0)
        response = await running.client.post(
            "/v1/jobs", content=body(), headers={**headers, "content-length": str(20 * MEGABYTE)}
        )
        assert "1048576" in assert_error(response, 413, "file_too_large", "file")
        assert response.headers["connection"] == "close"
        assert_nothing_left(running)


@pytest.mark.parametrize("raw", [True, False])
async def test_too_large_without_a_length_is_refused_when_the_count_passes(tmp_path: Path, raw: bool) -> None:
    content = bytes(MEGABYTE + 1)
    body, headers = (content, {"content-type": "audio/wav"}) if raw else form(content)
    async with serving(tmp_path, max_upload_mb=1) as running:
        response = await running.client.post("/v1/jobs", content=in_pieces(body), headers=headers)
        assert "WHISPER_MAX_UPLOAD_MB" in assert_error(response, 413, "file_too_large", "file")
        assert_nothing_left(running)


async def test_the_largest_upload_is_taken(tmp_path: Path) -> None:
    async with serving(tmp_path, max_upload_mb=1) as running:
        response = await running.client.post("/v1/jobs", files={"file": bytes(MEGABYTE)})
        assert (response.status_code, response.json()["file"]["bytes"]) == (202, MEGABYTE)


async def test_a_bad_parameter_after_the_file_removes_the_file(tmp_path: Path) -> None:
    body, headers = form(WAV)
    boundary = headers["content-type"].partition("boundary=")[2]
    late = f'--{boundary}\r\nContent-Disposition: form-data; name="language"\r\n\r\nxx\r\n--{boundary}--\r\n'
    body = body.removesuffix(f"--{boundary}--\r\n".encode()) + late.encode()
    async with serving(tmp_path) as running:
        response = await running.client.post("/v1/jobs", content=body, headers=headers)
        assert_error(response, 400, "invalid_value", "language")
        assert_nothing_left(running)


async def test_a_cut_off_form_removes_the_file(tmp_path: Path) -> None:
    body, headers = form(bytes(2 * MEGABYTE))
    async with serving(tmp_path) as running:
        response = await running.client.post("/v1/jobs", content=in_pieces(body[:-9]), headers=headers)
        assert_error(response, 400, "invalid_multipart")
        assert_nothing_left(running)


async def test_a_disk_without_room_refuses_before_reading(tmp_path: Path) -> None:
    async with serving(tmp_path, min_free_disk_mb=1 << 30) as running:
        response = await running.client.post("/v1/jobs", files={"file": WAV})
        assert "WHISPER_DATA_DIR" in assert_error(response, 507, "insufficient_storage")
        assert response.headers["x-should-retry"] == "false"
        assert_nothing_left(running)


@pytest.mark.parametrize("step", ["write", "commit"])
@pytest.mark.fault(17)
async def test_a_disk_that_fills_up_removes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(upload: LocalUpload, *arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalUpload, step, fail)
    async with serving(tmp_path) as running:
        response = await running.client.post("/v1/jobs", files={"file": bytes(3 * MEGABYTE)})
        assert_error(response, 507, "insufficient_storage")
        assert_nothing_left(running)
        monkeypatch.undo()
        assert (await running.client.post("/v1/jobs", files={"file": WAV})).status_code == 202


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    body, headers = form(bytes(4 * MEGABYTE))
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with serving(tmp_path) as running:
        call = asyncio.create_task(running.app(post_scope("/v1/jobs", headers), messages.get, send))
        await messages.put({"type": "http.request", "body": body[: 2 * MEGABYTE], "more_body": True})
        await until(lambda: any(path.stat().st_size > MEGABYTE for path in running.leftovers()))
        await messages.put({"type": "http.disconnect"})
        await asyncio.wait_for(call, 5)
        assert sent == []
        assert_nothing_left(running)


async def test_a_silent_client_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()

    async def silence() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    await check_given_up(tmp_path, silence())


async def test_a_client_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(uploads, "time", SimpleNamespace(monotonic=lambda: now))

    async def drops() -> AsyncIterator[bytes]:
        nonlocal now
        for _ in range(100):
            now += 1.0
            await asyncio.sleep(0)
            yield b"x"

    await check_given_up(tmp_path, drops())


async def check_given_up(tmp_path: Path, rest: AsyncIterator[bytes]) -> None:
    """A form begins well and goes on as `rest`: it is answered 408 and nothing of it is kept."""
    body, headers = form(bytes(60_000))
    sent: list[dict[str, Any]] = []
    started = False

    async def receive() -> dict[str, Any]:
        nonlocal started
        if len(sent) > 1:  # the answer is out: the client goes
            return {"type": "http.disconnect"}
        piece = await anext(rest) if started else body[:200]
        started = True
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async with serving(tmp_path, upload_stall=0.02) as running:
        await asyncio.wait_for(running.app(post_scope("/v1/jobs", headers), receive, send), 5)
        assert (sent[0]["status"], json.loads(sent[1]["body"])["error"]["code"]) == (408, "upload_stalled")
        assert_nothing_left(running)


async def test_redis_away_takes_the_job_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.redis_server.connected = False
        for path in ("/v1/jobs", "/v1/audio/transcriptions"):
            response = await running.client.post(path, data={"model": "whisper-1"}, files={"file": WAV})
            assert_error(response, 503, "redis_unavailable")
            assert response.headers["retry-after"] == "5"
            assert "x-should-retry" not in response.headers
            assert_nothing_left(running)
        running.redis_server.connected = True
        assert (await running.client.post("/v1/jobs", files={"file": WAV})).status_code == 202


def post_scope(path: str, headers: dict[str, str]) -> dict[str, Any]:
    named = {"host": "localhost", "transfer-encoding": "chunked", **headers}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 9001),
    }


@pytest.mark.fault(77)
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "identity, gzip", "aws-chunked", "x" * 300])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/audio/transcriptions"])
async def test_a_body_that_is_encoded_is_refused_by_that_name(tmp_path: Path, encoding: str, path: str) -> None:
    async with serving(tmp_path) as running:
        headers = {"content-type": "multipart/form-data; boundary=x", "content-encoding": encoding}
        answer = await running.client.post(path, content=gzip.compress(WAV), headers=headers)
        assert encoding.rpartition(", ")[2].lower()[:100] in assert_error(answer, 415, "unsupported_content_encoding")
        assert answer.headers["accept-encoding"] == "identity"
        assert_nothing_left(running)
        headers |= {"content-encoding": "identity", "content-type": "audio/wav"}
        assert (await running.client.post("/v1/jobs", content=WAV, headers=headers)).status_code == 202


@pytest.mark.fault(77)
@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (zlib.compress, "deflate")])
async def test_a_form_that_is_packed_without_a_word_is_named(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    body, headers = form(WAV)
    async with serving(tmp_path) as running:
        answer = await running.client.post("/v1/jobs", content=pack(body), headers=headers)
        assert name in assert_error(answer, 415, "unsupported_content_encoding")
        assert_nothing_left(running)


@pytest.mark.fault(77)
@pytest.mark.parametrize("header", ["Content-Transfer-Encoding: base64", "content-encoding: gzip"])
@pytest.mark.parametrize("name", ["file", "prompt"])
async def test_a_part_that_is_encoded_is_refused_by_its_name(tmp_path: Path, header: str, name: str) -> None:
    async with serving(tmp_path) as running:
        filename = '; filename="a.wav"' if name == "file" else ""
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n{header}\r\n\r\n'
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await running.client.post("/v1/jobs", content=f"{head}abcd\r\n--x--\r\n".encode(), headers=headers)
        assert_error(answer, 415, "unsupported_content_encoding", name)
        assert_nothing_left(running)


@pytest.mark.fault(70)
async def test_an_upload_that_can_open_no_file_is_put_off_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    async with serving(tmp_path) as running:
        assert (await running.client.post("/v1/jobs", files={"file": WAV})).status_code == 202
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken: list[int] = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(1))
            answer = await running.client.post("/v1/jobs", files={"file": WAV})
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert "again" in assert_error(answer, 503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert list((running.store.root / "incoming").iterdir()) == []
        assert "Traceback" not in caplog.text
        assert (await running.client.post("/v1/jobs", files={"file": WAV})).status_code == 202


URL = "http://93.184.215.14/talks/Gr%C3%BC%C3%9Fe.mp3?sig=s3cret"


# A form of a page whose file nobody has chosen.
_PARTS = (
    'Content-Disposition: form-data; name="file"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n',
    f'Content-Disposition: form-data; name="url"\r\n\r\n{URL}',
)
BROWSER = ("".join(f"--x\r\n{part}\r\n" for part in _PARTS) + "--x--\r\n").encode()


async def test_a_url_stands_for_a_recording(tmp_path: Path) -> None:
    """In a form of either kind, or in the query: the job is promised before anything is fetched."""
    async with serving(tmp_path) as running:
        requests: list[dict[str, Any]] = [
            {"files": {"url": (None, URL)}},
            {"data": {"url": URL}},
            {"params": {"url": URL}},
            {"content": BROWSER, "headers": {"content-type": "multipart/form-data; boundary=x"}},
        ]
        for request in requests:
            response = await running.client.post("/v1/jobs", **request)
            job = response.json()
            assert (response.status_code, job["file"]) == (202, {"name": "Grüße.mp3", "bytes": 0}), response.text
            assert job["url"] == "http://93.184.215.14/talks/Gr%C3%BC%C3%9Fe.mp3"
            assert not running.store.source(job["id"]).exists()
            assert running.store.request(job["id"]).url == URL
        assert "s3cret" not in (await running.client.get("/v1/jobs")).text


async def test_a_url_beside_a_recording_or_none_of_both_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for route in ("/v1/jobs", "/v1/audio/transcriptions", "/v1/audio/translations"):
            both = await running.client.post(route, data={"url": URL}, files={"file": WAV})
            assert_error(both, 400, "invalid_value", "url")
            none = await running.client.post(route, files={"url": (None, " ")})
            assert_error(none, 400, "missing_required_parameter", "file")
            assert_nothing_left(running)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.com/a", "/a.mp3", "http://127.0.0.1/a", "http://[::1]/a", "http://",
        "http://169.254.169.254/latest/meta-data", "http://a:b@10.0.0.1/", "http://93.184.215.14:22/a", "https://a b/",
    ],
)  # fmt: skip
async def test_a_url_that_is_never_fetched_is_refused_at_once(tmp_path: Path, url: str) -> None:
    async with serving(tmp_path) as running:
        message = assert_error(await running.client.post("/v1/jobs", data={"url": url}), 422, "url_not_allowed", "url")
        assert "ebhook" not in message
        assert_nothing_left(running)


async def test_the_same_url_with_the_same_key_is_the_same_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        headers = {"idempotency-key": "a"}
        sent = [await running.client.post("/v1/jobs", data={"url": URL}, headers=headers) for _ in range(2)]
        assert sent[0].json()["id"] == sent[1].json()["id"]
        other = await running.client.post("/v1/jobs", data={"url": f"{URL}2"}, headers=headers)
        assert_error(other, 422, "idempotency_key_reused", "Idempotency-Key")


async def test_credentials_in_a_url_are_never_shown(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        url = "https://anna:geheim@93.184.215.14/a.mp3"
        response = await running.client.post("/v1/jobs", data={"url": url})
        assert response.json()["url"] == "https://93.184.215.14/a.mp3"
        assert "geheim" not in response.text


async def test_jobs_that_are_to_be_fetched_count_against_the_limits(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_jobs=2) as running:
        for _ in range(2):
            response = await running.client.post("/v1/jobs", data={"url": URL})
            running.redis.lrem("rq:queue:batch", 0, response.json()["id"])
            running.redis.rpush("rq:queue:fetch", response.json()["id"])
            assert (await running.client.get(response.json()["urls"]["self"])).json()["status"] == "queued"
        assert_error(await running.client.post("/v1/jobs", data={"url": URL}), 429, "queue_full")


async def test_a_failed_job_of_a_url_is_fetched_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job_id = (await running.client.post("/v1/jobs", data={"url": URL})).json()["id"]
        for _ in range(2):
            running.redis.lrem("rq:queue:batch", 0, job_id)
            running.fail(job_id, "url_unreachable")
            assert (await running.client.post(f"/v1/jobs/{job_id}/retry")).json()["status"] == "queued"
        other = (await running.client.post(f"/v1/jobs/{job_id}/retry?language=de")).json()
        assert (running.store.request(other["id"]).url, other["language"]) == (URL, "de")
        refused = await running.client.post(f"/v1/jobs/{job_id}/retry?url={URL}")
        assert_error(refused, 400, "unsupported_parameter", "url")
