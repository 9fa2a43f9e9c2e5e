"""A running API for the tests: the real store, Redis in memory, and a worker that the test plays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fakeredis import FakeRedis, FakeServer
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.routing import BaseRoute

from api.app import create_app
from api.settings import ApiSettings
from api.state import AppState
from engines.base import DecodeOptions
from engines.transcript import Segment, Transcript, Word
from worker.queue.events import Events
from worker.runtime.timing import Timing
from worker.settings import WorkerSettings
from worker.store.incoming import Upload
from worker.store.job_store import LocalStore
from worker.store.records import JobError, JobRequest, Outcome
from worker.store.store_id import store_id

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(2000)


def api_settings(api_keys: dict[str, str] | None = None, **changes: Any) -> ApiSettings:
    """The defaults, whatever the environment says."""
    return _api_settings(api_keys=tuple((api_keys or {}).items()), **changes)


@cache  # reading them takes as long as a small test, and nothing changes what was read
def _api_settings(api_keys: tuple[tuple[str, str], ...], **changes: Any) -> ApiSettings:
    return ApiSettings(
        _env_file=None,  # type: ignore[call-arg]
        **{
            "host": "127.0.0.1",
            "port": 9001,
            "allow_anonymous": False,
            "allowed_hosts": (),
            "cors_origins": (),
            "max_upload_mb": 4096,
            "min_free_disk_mb": 0,
            "sync_timeout": 10.0,
            "dashboard_write": False,
            "api_keys": {name: SecretStr(key) for name, key in api_keys},
            **changes,
        },
    )


def worker_settings(data_dir: Path | None = None, **changes: Any) -> WorkerSettings:
    """The defaults, whatever the environment says."""
    settings = _worker_settings(**changes)
    return settings.model_copy(update={"data_dir": data_dir}) if data_dir else settings


@cache
def _worker_settings(**changes: Any) -> WorkerSettings:
    return WorkerSettings(_env_file=None, **{"model": "base", "redis_url": None, **changes})  # type: ignore[call-arg]


def make_segment(index: int, start: float, end: float, text: str) -> Segment:
    """A segment whose words share its time evenly."""
    parts = text.split(" ")[1:] if text.startswith(" ") else text.split(" ")
    step = (end - start) / len(parts)
    words = tuple(
        Word(f" {part}", round(start + step * at, 3), round(start + step * (at + 1), 3), 0.9)
        for at, part in enumerate(parts)
    )
    return Segment(
        id=index,
        start=start,
        end=end,
        text=text,
        tokens=(50364 + index, 440, 11),
        seek=int(start * 100),
        temperature=0.0,
        avg_logprob=-0.2 - index / 100,
        compression_ratio=1.1 + index / 10,
        no_speech_prob=0.01 + index / 1000,
        words=words,
    )


def make_transcript(*segments: Segment, **changes: Any) -> Transcript:
    values: dict[str, Any] = {
        "task": "transcribe",
        "language": "en",
        "language_probability": 0.98,
        "duration": 8.47,
        "model": "base",
        "engine": "fake",
        "segments": segments or (make_segment(0, 0.0, 3.32, " Hello there."), make_segment(1, 3.5, 8.2, " Bye now.")),
    }
    return Transcript(**{**values, **changes})


def make_request(job_id: str, **changes: Any) -> JobRequest:
    values: dict[str, Any] = {
        "id": job_id,
        "owner": "local",
        "kind": "job",
        "priority": "batch",
        "model": "base",
        "response_format": "json",
        "granularities": ("segment",),
        "filename": "clip.wav",
        "size": len(WAV),
        "options": DecodeOptions(words=True),
    }
    return JobRequest(**{**values, **changes})


async def until(condition: Callable[[], Any], timeout: float = 60.0) -> Any:
    """What the condition returns once that is true; fails after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while not (value := condition()):
            await asyncio.sleep(0.002)
        return value


@dataclass
class Running:
    """An API under test. `client` calls it as a program on the same machine would."""

    app: FastAPI
    store: LocalStore
    redis: FakeRedis
    redis_server: FakeServer  # its `connected` may be set to False
    client: httpx.AsyncClient
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def service(self) -> AppState:
        service: AppState = self.app.state.service
        return service

    def job_ids(self) -> list[str]:
        return list(self.store.ids())

    def leftovers(self) -> list[Path]:
        """Everything in the store, in whatever state, but its name."""
        return [path for path in self.store.root.rglob("*") if path.is_file() and path.name != "store.id"]

    def add_job(self, **changes: Any) -> JobRequest:
        """A job in the store and in its queue."""
        upload: Upload = self.store.receive()
        upload.write(WAV)
        request = make_request(upload.id, **changes)
        self.service.jobs.submit(upload, request)
        return request

    def finish(self, job_id: str, transcript: Transcript | None = None, started_at: float | None = None) -> None:
        """What the worker does at a job's end."""
        transcript = transcript or make_transcript()
        self.store.save_transcript(job_id, transcript)
        self._end(job_id, Outcome("finished", started_at=started_at, duration=transcript.duration))

    def fail(self, job_id: str, code: str, message: str = "It went wrong.") -> None:
        self._end(job_id, Outcome("failed", error=JobError(code, message)))

    def _end(self, job_id: str, outcome: Outcome) -> None:
        assert self.store.finish(job_id, outcome)
        Events(self.redis).state(job_id, outcome.state)

    def then(self, end: Callable[[str], object]) -> None:
        """Plays the worker for the next job that is queued."""

        async def work() -> None:
            known = set(self.job_ids())
            end(await until(lambda: next((name for name in self.job_ids() if name not in known), None)))

        task = asyncio.create_task(work())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def caller(self, peer: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        return caller(self.app, peer, **headers)


def caller(app: FastAPI, peer: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
    """A client at an address, with headers of its own."""
    transport = httpx.ASGITransport(app=app, client=(peer, 50_000))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:9001", headers=named)


_routes: dict[int, BaseRoute] = {}  # by the id of the router that they were included from


def _share_routes(app: FastAPI) -> None:
    """FastAPI works out the routes of each application anew, which takes longer than most tests; they are the same."""
    included = [(route, getattr(route, "original_router", None)) for route in app.router.routes]
    app.router.routes[:] = [_routes.setdefault(id(router), route) if router else route for route, router in included]


@asynccontextmanager
async def serving(
    tmp_path: Path,
    model: str = "base",
    models: tuple[str, ...] = (),
    timing: Timing = Timing(),
    connections: int = 1000,
    store: Any = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """The API with its lifespan running."""
    redis_server = FakeServer()
    store_id(tmp_path)  # the start has made it
    store, redis = store or LocalStore(tmp_path), FakeRedis(server=redis_server)
    app = create_app(
        api_settings(**settings),
        worker_settings(model=model, models=models, data_dir=tmp_path),
        store=store,
        redis=redis,
        timing=replace(timing, feed_block=0.01),  # the reader stops between two blocks
        connections=connections,
    )
    _share_routes(app)
    async with app.router.lifespan_context(app), caller(app) as client:
        yield Running(app, store, redis, redis_server, client)


def assert_error(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Checks OpenAI's shape with all four keys filled as they should be, and returns the message."""
    assert response.status_code == status, response.text
    assert list(json.loads(response.content)) == ["error"]
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert response.headers["x-request-id"].startswith("req_")
    message: str = error["message"]
    assert len(message) > 10
    return message
