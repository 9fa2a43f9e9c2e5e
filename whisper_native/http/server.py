"""A whisper-native service: jobs, their events and their transcripts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from whisper_native.errors import Failure, ServerAway, Stopped, failure_of
from whisper_native.http.connection import Connection, json_of
from whisper_native.http.events import Event, read_events
from whisper_native.recordings.content import BLOCK, Recording

MAX_QUERY = 6000  # bytes; a server takes paths of 8 kB, so longer fields go into a form
# A key is of no use any more: its job cannot run again, or was made when the server's own settings were others. The
# next one follows from it, so that a later run takes the same way.
WORN_OUT = ("audio_deleted", "idempotency_key_reused")
MAX_RETRIED = 20  # times that a job which had ended badly is asked to run again …
LETTING_GO = 0.5  # … and seconds between two of them: a worker is about to let go of it

Fields = Mapping[str, str]
Sent = Callable[[int], None]  # told how many bytes of a recording have gone out


class Server:
    """info: what GET /v1/info says, empty for versions that have none."""

    def __init__(self, connection: Connection, info: Mapping[str, Any]) -> None:
        self.connection = connection
        self.info = info

    def submit(self, recording: Recording, fields: Fields, on_sent: Sent) -> dict[str, Any]:
        """The recording's job: the same for the same content and fields, however often it is sent. One that had failed
        or was canceled is run again. Raises Failure or Stopped."""
        key = recording.key(fields, self._default_model)
        return self._submitted(partial(self._post, recording, fields, on_sent), key)

    def submit_url(self, url: str, fields: Fields) -> dict[str, Any]:
        """As `submit`, of a recording that the server fetches: the same job for the same address, whatever is there by
        now. Raises Failure or Stopped."""
        wishes = json.dumps([url, sorted(fields.items()), self._default_model])

        def post(key: str) -> httpx.Response:
            headers = {"idempotency-key": key}
            return self.connection.send("POST", "/v1/jobs", data={**fields, "url": url}, headers=headers)

        return self._submitted(post, sha256(wishes.encode()).hexdigest())

    @property
    def _default_model(self) -> str:
        return str(self.info.get("default_model", ""))

    def _submitted(self, post: Callable[[str], httpx.Response], key: str) -> dict[str, Any]:
        """post: sends it with an idempotency key."""
        for last in (False, False, True):
            try:
                return self._begun(self.connection.repeated(partial(post, key)).json())
            except Failure as failure:
                if failure.code not in WORN_OUT or last:
                    raise
                key = sha256(key.encode()).hexdigest()
        raise AssertionError("the last try returns or raises")

    def _begun(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job, once it waits, runs or has finished."""
        for _ in range(MAX_RETRIED):
            if job["status"] not in ("failed", "canceled"):
                break
            try:
                job = self.retry(job["id"], {})
            except Failure as failure:
                if failure.code != "job_not_finished":
                    raise
                self.connection.pause(LETTING_GO)
                job = self.job(job["id"])
        return job

    def _post(self, recording: Recording, fields: Fields, on_sent: Sent, key: str) -> httpx.Response:
        named = {**fields, "filename": recording.name}
        headers = {"idempotency-key": key}
        body = Body(recording, on_sent, self.connection)
        if len(urlencode(named)) > MAX_QUERY:
            request: dict[str, Any] = {"data": dict(fields), "files": {"file": (recording.name, body)}}
        else:
            headers |= {"content-type": "application/octet-stream", "content-length": str(recording.size)}
            request = {"params": named, "content": iter(body)}
        with body:
            return self.connection.send("POST", "/v1/jobs", headers=headers, **request)

    def follow(self, job_id: str) -> Iterator[Event]:
        """The job's events; the last is `done`, with the job. A connection that breaks is taken up where it was."""
        last, waits = "", self.connection.waits()
        while True:
            heard = False
            try:
                for event in self._events(job_id, last):
                    heard, last, waits = True, event.id or last, self.connection.waits()
                    yield event
                    if event.name == "done":
                        return
            except httpx.TransportError:
                self._wait_for_return(waits, job_id)
                continue
            if not heard:
                yield Event("", "done", self._ended(job_id))
                return

    def _wait_for_return(self, waits: Iterator[float], job_id: str) -> None:
        pause = next(waits, None)
        if pause is None:
            gone = f"The server at {self.connection.url} has gone; {job_id} goes on once it is back."
            raise ServerAway(gone, "away") from None
        self.connection.pause(pause)

    def _events(self, job_id: str, last: str) -> Iterator[Event]:
        """Until the stream ends. Raises httpx.TransportError for one that breaks."""
        headers = {"last-event-id": last} if last else {}
        with self.connection.streamed(f"{_path(job_id)}/events", headers) as response:
            if response.status_code in (502, 503):
                raise httpx.ReadError("the server is busy")
            if not response.is_success:
                response.read()
                raise failure_of(response.status_code, json_of(response))
            yield from read_events(self._lines(response))

    def _lines(self, response: httpx.Response) -> Iterator[str]:
        for line in response.iter_lines():
            if self.connection.stop.is_set():
                raise Stopped
            yield line

    def _ended(self, job_id: str) -> dict[str, Any]:
        """For a stream that ends without a word: one whose reader has had all, or of a server that stops."""
        while (job := self.job(job_id, wait=30))["status"] in ("queued", "started"):
            pass
        return job

    def job(self, job_id: str, wait: float = 0) -> dict[str, Any]:
        job: dict[str, Any] = self.connection.call("GET", _path(job_id), params={"wait": wait}).json()
        return job

    def jobs(self, limit: int, status: str | None = None, text: str | None = None) -> Iterator[dict[str, Any]]:
        """The newest first. text: words that their name, title, metadata or transcript holds."""
        query: dict[str, Any] = {name: value for name, value in (("status", status), ("q", text)) if value}
        while limit > 0:
            page = self.connection.call("GET", "/v1/jobs", params={"limit": min(limit, 100), **query}).json()
            yield from page["data"]
            limit -= len(page["data"])
            if not page["has_more"]:
                return
            query["after"] = page["last_id"]

    def transcript(self, job_id: str, response_format: str, layout: Fields) -> bytes:
        query = {"format": response_format, **layout}
        if response_format != "verbose_json":  # which alone has them
            query.pop("timestamp_granularities", None)
        return self.connection.call("GET", f"{_path(job_id)}/transcript", params=query).content

    def cancel(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.connection.call("POST", f"{_path(job_id)}/cancel").json()
        return job

    def retry(self, job_id: str, fields: Fields) -> dict[str, Any]:
        job: dict[str, Any] = self.connection.call("POST", f"{_path(job_id)}/retry", params=dict(fields)).json()
        return job


class Body:
    """A recording on its way out as it was read, block by block, until somebody wants to stop. What was added to its
    file since is left out; raises Failure if some of it is gone."""

    def __init__(self, recording: Recording, on_sent: Sent, connection: Connection) -> None:
        self._recording, self._on_sent, self._stop = recording, on_sent, connection.stop
        self._sent = 0

    def __enter__(self) -> None:
        path = self._recording.path
        try:
            self._file = open(path, "rb")
        except OSError as error:
            raise Failure(f"{path} cannot be read: {error.strerror}.", "unreadable") from None

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(BLOCK):
            yield block

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise Stopped
        left = self._recording.size - self._file.tell()
        block = self._file.read(min(size, left) if size >= 0 else left)
        if left and size and not block:
            raise Failure(f"{self._recording.path} changed while it was sent. Run the command again.", "changed")
        self._sent += len(block)
        self._on_sent(self._sent)
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """httpx learns by it how long the recording is."""
        return self._file.seek(offset + (self._recording.size if whence == os.SEEK_END else 0))

    def tell(self) -> int:
        return self._file.tell()


def models(connection: Connection) -> list[dict[str, Any]]:
    """Of any OpenAI-compatible server. Raises Failure."""
    found = json_of(connection.call("GET", "/v1/models"))
    listed = found.get("data") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise Failure(f"What answers at {connection.url} does not speak OpenAI's API. Is that its port?", "no_models")
    return listed


def find(connection: Connection) -> Server | None:
    """The service at this address, or None for another server that speaks OpenAI's API. Raises Failure."""
    answer = connection.look("/v1/info")
    if answer.is_success and isinstance(body := json_of(answer), dict) and body.get("name") == "whisper-native":
        return Server(connection, body)
    if answer.status_code == 401:
        raise failure_of(401, json_of(answer))
    if answer.status_code in (502, 503):
        raise failure_of(answer.status_code, json_of(answer))
    listed = connection.look("/v1/jobs?limit=1")
    if listed.is_success and isinstance(body := json_of(listed), dict) and "has_more" in body:
        return Server(connection, {})
    return None


def required(connection: Connection) -> Server:
    """The service at this address. Raises Failure for anything else, which has no jobs."""
    server = find(connection)
    if server is None:
        raise Failure(f"The server at {connection.url} is not a whisper-native: it has no jobs.", "no_jobs")
    return server


def _path(job_id: str) -> str:
    """Whatever a user takes for the id of a job."""
    return f"/v1/jobs/{quote(job_id, safe='', errors='replace').replace('.', '%2E')}"
