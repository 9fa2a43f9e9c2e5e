"""Clients of every kind, who call while the service is being broken and know what they may expect all the same."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.acceptance import wire
from tests.acceptance.live import ENDED
from tests.soak.plan import Call

CLIENTS = 64
AGAIN = 0.5  # seconds before a client that got no answer tries again
VERBOSE = {
    "model": "whisper-1",
    "response_format": "verbose_json",
    "timestamp_granularities[]": ["word", "segment"],
}
TRANSCRIPT = {"format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}


@dataclass(frozen=True, slots=True)
class Recording:
    """A file and what the service makes of it when nobody disturbs it."""

    path: Path
    transcript: dict[str, Any]


def essence(transcript: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same after any disturbance: the words and where they lie. Scores may differ in their last
    bits, by the company a window had in its pass."""
    segments = [{key: row[key] for key in ("id", "start", "end", "text")} for row in transcript["segments"]]
    words = [{key: row[key] for key in ("word", "start", "end")} for row in transcript["words"]]
    return {"text": transcript["text"], "duration": transcript["duration"], "segments": segments, "words": words}


class Door(Protocol):
    """Where clients call: a service, or one of several."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    def http(self, **headers: str) -> httpx.Client: ...


class Load:
    """Makes the calls in time. `accepted`: call number -> job id of all that was promised with a 202."""

    def __init__(self, service: Door, recordings: list[Recording], webhook_url: str, patience: float = 300.0) -> None:
        self._patience = patience
        self.accepted: dict[int, str] = {}
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._service = service
        self._recordings = recordings
        self._webhook_url = webhook_url

    def run(self, calls: Iterable[Call], began: float) -> None:
        """Returns once every client has what it can get."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            futures: list[Future[None]] = []
            for call in calls:
                time.sleep(max(0.0, began + call.at - time.monotonic()))
                futures.append(clients.submit(self._make, call))
            for future in futures:
                future.result()

    def _make(self, call: Call) -> None:
        self.counts[call.kind] += 1
        try:
            {
                "job": self._job,
                "wait": self._wait,
                "stream": self._stream,
                "leave": self._leave,
                "break off": self._break_off,
            }[call.kind](call)
        except (httpx.TransportError, OSError):
            self.counts[f"{call.kind}: disturbed"] += 1
        except (AssertionError, LookupError, ValueError, TypeError) as error:
            self.problems.append(f"{call}: {type(error).__name__}: {error}")

    def _job(self, call: Call) -> None:
        """Submitted until it is accepted, then followed to its end over any number of connections."""
        job_id = self._submit(call)
        self.accepted[call.number] = job_id
        self._follow(call, job_id)

    def _submit(self, call: Call) -> str:
        fields = {"metadata": json.dumps({"call": call.number}), "webhook_url": self._webhook_url}
        headers = {"idempotency-key": f"call-{call.number}"}
        for _ in self._trying():
            with self._patient("submit"), self._opened(call) as (client, file):
                answer = client.post("/v1/jobs", data=fields, files={"file": file}, headers=headers)
                if answer.status_code in (200, 202):
                    job_id: str = answer.json()["id"]
                    return job_id
                self._expect(call, answer)
        raise AssertionError("never accepted")

    def _follow(self, call: Call, job_id: str) -> None:
        told: list[dict[str, Any]] = []
        last: str | None = None
        for _ in self._trying():
            headers = {"last_event_id": last} if last else {}
            with (
                self._patient("follow"),
                self._service.http(**headers) as client,
                client.stream("GET", f"/v1/jobs/{job_id}/events") as answer,
            ):
                if answer.status_code != 200:
                    answer.read()
                    self._expect(call, answer)
                    continue
                for event_id, name, data in events(answer):
                    last = event_id
                    if name == "segment":
                        told.append(data)
                    if name == "done":
                        self._check_told(call, told, data)
                        return
        raise AssertionError(f"{job_id} never ended")

    def _check_told(self, call: Call, told: list[dict[str, Any]], job: dict[str, Any]) -> None:
        assert job["status"] == "finished", job
        wanted = essence(self._recordings[call.recording].transcript)["segments"]
        assert told == wanted, f"segments were told twice, lost or changed: {[row['id'] for row in told]}"

    def _wait(self, call: Call) -> None:
        with self._opened(call) as (client, file):
            answer = client.post(
                "/v1/audio/transcriptions",
                data={
                    "model": "whisper-1",
                    "response_format": "verbose_json",
                    "timestamp_granularities[]": ["word", "segment"],
                },
                files={"file": file},
            )
        if answer.status_code == 200:
            assert essence(answer.json()) == essence(self._recordings[call.recording].transcript)
            self.counts["wait: answered"] += 1
        else:
            self._expect(call, answer)

    def _stream(self, call: Call) -> None:
        deltas, done = "", None
        with self._opened(call) as (client, file):
            form = {"data": {"model": "whisper-1", "stream": "true"}, "files": {"file": file}}
            with client.stream("POST", "/v1/audio/transcriptions", **form) as answer:  # type: ignore[arg-type]
                if answer.status_code != 200:
                    answer.read()
                    self._expect(call, answer)
                    return
                for line in answer.iter_lines():
                    if line.startswith("data: {"):
                        event = json.loads(line.removeprefix("data: "))
                        deltas += event.get("delta", "")
                        done = event.get("text", done)
        wanted = self._recordings[call.recording].transcript["text"]
        assert wanted.startswith(deltas.strip()), f"streamed {deltas!r}"
        if done is not None:
            assert done == wanted
            self.counts["stream: answered"] += 1

    def _leave(self, call: Call) -> None:
        """A client that gives up at once: its job is canceled, or done, and nobody misses it."""
        self._break_off(call, whole=True)

    def _break_off(self, call: Call, whole: bool = False) -> None:
        body = wire.form(
            wire.field("model", "whisper-1"), wire.file(self._recordings[call.recording].path.read_bytes())
        )
        with wire.connect(self._service.port, self._service.host) as connection:
            connection.sendall(wire.head(self._service.port, body) + (body if whole else body[: len(body) // 2]))
            time.sleep(0.2)

    def _expect(self, call: Call, answer: httpx.Response) -> None:
        """Other answers than success have OpenAI's shape, and are of the kind that passes."""
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert answer.status_code in (409, 429, 503, 504), f"{answer.status_code} {error}"
        self.counts[f"{call.kind}: {error['code']}"] += 1

    def _trying(self) -> Iterator[None]:
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            yield
            time.sleep(AGAIN)

    @contextmanager
    def _patient(self, what: str) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, OSError):
            self.counts[f"{what} again"] += 1

    @contextmanager
    def _opened(self, call: Call) -> Iterator[tuple[httpx.Client, Any]]:
        with self._service.http() as client, open(self._recordings[call.recording].path, "rb") as file:
            yield client, file


def events(answer: httpx.Response) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Id, name and data of each event of a stream."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "event" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


def has_ended(job: dict[str, Any]) -> bool:
    return job["status"] in ENDED
