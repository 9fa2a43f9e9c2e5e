"""Alive is one question, ready another; and the page at / says how to begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.unit.api_service import Running, serving
from worker.queue.heartbeat import WorkerHeartbeat, announce
from worker.telemetry.vitals import Vitals, announce_vitals

pytestmark = pytest.mark.asyncio


async def checks(running: Running, status: int) -> dict[str, Any]:
    response = await running.client.get("/health/ready")
    assert response.status_code == status
    answer = response.json()
    assert answer["status"] == ("ready" if status == 200 else "unavailable")
    assert set(answer["checks"]) == {"redis", "worker", "disk"}
    assert all(set(check) == {"ok", "detail"} for check in answer["checks"].values())
    found: dict[str, Any] = answer["checks"]
    return found


async def test_ready_with_redis_a_loaded_model_and_room(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        announce(running.redis, WorkerHeartbeat("w1", "ready", "base", "faster_whisper", "cpu"))
        announce(running.redis, WorkerHeartbeat("w2", "loading", "base"))
        found = await checks(running, 200)
        assert found["worker"]["detail"] == "base faster_whisper cpu"


async def test_not_ready_while_a_shared_store_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as running:
        announce(running.redis, WorkerHeartbeat("w1", "ready", "base"))
        monkeypatch.setattr(running.store, "is_shared", True)
        for trouble, status in (("The store does not answer.", 503), (None, 200)):
            monkeypatch.setattr(running.store, "trouble", lambda trouble=trouble: trouble)
            response = await running.client.get("/health/ready")
            assert response.status_code == status
            assert response.json()["checks"]["store"] == {"ok": not trouble, "detail": trouble or "answers"}


@pytest.mark.fault(172)
async def test_a_model_that_no_worker_serves_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, models=("small",)) as running:
        announce(running.redis, WorkerHeartbeat("w1", "ready", "base"))
        announce_vitals(running.redis, "w1", Vitals(models=("base",)))
        assert "jobs for small wait" in (await checks(running, 200))["worker"]["detail"]
        announce(running.redis, WorkerHeartbeat("w2", "ready", "small"))
        announce_vitals(running.redis, "w2", Vitals(models=("Small",)))
        assert "wait" not in (await checks(running, 200))["worker"]["detail"]


async def test_a_worker_without_a_model_in_memory_is_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        announce(running.redis, WorkerHeartbeat("w1", "idle", "base"))
        assert "the first job loads it" in (await checks(running, 200))["worker"]["detail"]


@pytest.mark.parametrize(
    ("presence", "why"),
    [
        (None, "No worker"),
        (WorkerHeartbeat("w", "loading", "base"), "still being loaded"),
        (WorkerHeartbeat("w", "failed", "huge", error="no such model"), "no such model"),
    ],
)
async def test_not_ready_without_a_model_and_says_why(tmp_path: Path, presence: WorkerHeartbeat, why: str) -> None:
    async with serving(tmp_path) as running:
        if presence:
            announce(running.redis, presence)
        found = await checks(running, 503)
        assert why in found["worker"]["detail"]
        assert found["redis"]["ok"]


KEYS = {"ann": "sk-ann-0123456789"}
SECRETS = ("huge", "base", "no such model", "weights", "MB", "AOF", "faster_whisper")


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("state", ["ready", "idle", "loading", "failed", None])
async def test_a_stranger_is_told_what_is_missing_and_no_more(tmp_path: Path, state: Any, is_full: bool) -> None:
    settings: dict[str, Any] = {"api_keys": KEYS, "models": ("small",), "min_free_disk_mb": 1 << 30 if is_full else 0}
    async with serving(tmp_path, **settings) as running:
        if state is not None:
            announce(running.redis, WorkerHeartbeat("w", state, "huge", "faster_whisper", error="no such model"))
            announce_vitals(running.redis, "w", Vitals(models=("huge",)))
        key = {"x-api-key": KEYS["ann"]}
        for path in (tmp_path, None):
            if path is None:
                running.redis_server.connected = False
            told = await running.client.get("/health/ready")
            wrong = await running.client.get("/health/ready", headers={"x-api-key": "wrong"})
            known = await running.client.get("/health/ready", headers=key)
            assert told.status_code == wrong.status_code == known.status_code
            assert told.json() == wrong.json()
            for name, check in known.json()["checks"].items():
                found = told.json()["checks"][name]
                assert found["ok"] == check["ok"]
                assert found["detail"]
                assert not any(secret in found["detail"] for secret in SECRETS)
            assert "MB" in known.json()["checks"]["disk"]["detail"]


async def test_a_stranger_is_not_told_what_redis_or_the_store_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ResponseError("MISCONF Errors writing to the AOF file")

    async with serving(tmp_path, api_keys=KEYS) as running:
        monkeypatch.setattr(running.redis, "set", refuse)
        monkeypatch.setattr(running.store, "is_shared", True)
        monkeypatch.setattr(running.store, "trouble", lambda: "AOF: http://store.example refuses the key")
        checks = (await running.client.get("/health/ready")).json()["checks"]
        assert "takes no writes" in checks["redis"]["detail"]
        assert checks["store"]["detail"] == "The store does not answer."
        assert not any("AOF" in check["detail"] for check in checks.values())


async def test_not_ready_without_redis_but_alive(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.redis_server.connected = False
        found = await checks(running, 503)
        assert "does not answer" in found["redis"]["detail"]
        assert found["disk"]["ok"]
        assert (await running.client.get("/health")).json() == {"status": "ok"}


async def test_not_ready_while_redis_takes_no_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ResponseError("MISCONF Errors writing to the AOF file: No space left on device")

    async with serving(tmp_path) as running:
        monkeypatch.setattr(running.redis, "set", refuse)
        found = await checks(running, 503)
        assert "No space left" in found["redis"]["detail"]
        assert (await running.client.get("/health")).status_code == 200


async def test_not_ready_on_a_full_disk(tmp_path: Path) -> None:
    async with serving(tmp_path, min_free_disk_mb=1 << 30) as running:
        found = await checks(running, 503)
        assert "make room" in found["disk"]["detail"]


async def test_monitors_may_ask_with_head(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        assert (await running.client.head("/health")).status_code == 200
        assert (await running.client.head("/health/ready")).status_code in (200, 503)
