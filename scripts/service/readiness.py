"""Asks a running service, or the parts of it that run here, how it is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from typing import Any

from redis.exceptions import RedisError

from scripts.fleet.roles import Roles
from worker.fleet.identity import local_pid
from worker.queue.heartbeat import WorkerHeartbeat, workers
from worker.runtime.connection import connect_briefly

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on this machine
TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Readiness:
    """answers: something that speaks like the service is there. checks: name -> (all right, what it says)."""

    answers: bool
    ready: bool = False
    checks: dict[str, tuple[bool, str]] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """As it follows on 'is running'."""
        if not self.ready:
            return " and not ready"
        return " and ready" if all(is_ok for is_ok, _ in self.checks.values()) else ", and jobs wait for a worker"

    @property
    def reason(self) -> str:
        """Why it is not ready yet."""
        if not self.answers:
            return "starting"
        return next((detail for is_ok, detail in self.checks.values() if not is_ok), "")


def ask(url: str, timeout: float = TIMEOUT, key: str = "") -> Readiness:
    """url: as in `http://localhost:9001`. key: an API key; without one that is needed the reasons are general."""
    try:
        body = _get(f"{url}/health/ready", timeout, key)
        checks = {name: (bool(each["ok"]), str(each["detail"])) for name, each in body["checks"].items()}
        return Readiness(answers=True, ready=body["status"] == "ready", checks=checks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Readiness(answers=False)


def ask_parts(roles: Roles, url: str, redis_url: str, key: str = "") -> Readiness:
    """As `ask`, of those parts that run here: an API is ready without a worker, and a worker without an API."""
    if "api" in roles:
        found = ask(url, key=key)
        if "worker" in roles or not found.answers:
            return found
        return replace(found, ready=all(is_ok for name, (is_ok, _) in found.checks.items() if name != "worker"))
    if "worker" not in roles:
        return Readiness(answers=True, ready=True)
    present = local_workers(redis_url)
    checks = {f"worker {worker.device}".strip(): (worker.takes_work, _described(worker)) for worker in present}
    return Readiness(answers=bool(present), ready=any(worker.takes_work for worker in present), checks=checks)


def local_workers(redis_url: str) -> list[WorkerHeartbeat]:
    """Those on this machine that are heard of; none if Redis does not answer."""
    try:
        with connect_briefly(redis_url) as redis:
            return [worker for worker in workers(redis) if local_pid(worker.name) is not None]
    except RedisError:
        return []


def _described(worker: WorkerHeartbeat) -> str:
    if worker.state == "failed":
        return worker.trouble
    loaded = worker.loaded.replace(",", " ") or f"{worker.model}, which is not in memory"
    return " ".join(filter(None, (worker.state, loaded, worker.engine)))


def _get(url: str, timeout: float, key: str) -> Any:
    request = urllib.request.Request(url, headers={"x-api-key": key} if key else {})  # noqa: S310 - http, as from `ask`
    try:
        with _DIRECT.open(request, timeout=timeout) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:  # 503 says why
        with error:
            return json.loads(error.read())
