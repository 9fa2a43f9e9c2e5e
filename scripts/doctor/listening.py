"""The port, who may come in by it, and whether the service answers there."""

from __future__ import annotations

import contextlib

from api.settings import ApiSettings
from scripts.doctor.finding import Finding, failure, ok, warning
from scripts.fleet.roles import Roles
from scripts.service.address import problem_with
from scripts.service.config import ServiceConfig
from scripts.service.guide import START
from scripts.service.pid_file import AlreadyRunning, PidFile, Running
from scripts.service.readiness import ask_parts

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def running_service(service: ServiceConfig) -> tuple[ServiceConfig, Running | None]:
    """What runs here of it, or else what would."""
    for part in service.parts_here():
        with contextlib.suppress(AlreadyRunning):  # it is just starting or stopping and says nothing yet
            if running := PidFile(part.pid_file).holder():
                return part, running
    return service, None


def state(running: Running | None, roles: Roles = Roles(), key: str = "") -> Finding:
    """key: one that the service knows, if it has any."""
    if running is None:
        return ok("service", f"not running; {START} starts it")
    readiness = ask_parts(roles, running.url, running.redis_url, key)
    if readiness.ready:
        return ok("service", f"runs and is ready: {running.url or roles}")
    return failure("service", f"runs (pid {running.pid}) and is not ready: {readiness.reason}. See its log.")


def port(settings: ApiSettings, running: Running | None) -> Finding:
    problem = problem_with(settings.host, settings.port) if settings.port else None
    if problem is None:
        return ok("port", f"{settings.port} is free" if settings.port else "any free one")
    if running is not None and running.url.endswith(f":{settings.port}"):
        return ok("port", f"{settings.port} is held by this service (pid {running.pid})")
    return failure("port", problem)


def access(settings: ApiSettings) -> Finding:
    if settings.api_keys:
        return ok("access", f"with a key ({', '.join(settings.api_keys)})")
    if settings.allow_anonymous and settings.host not in LOOPBACK:
        return warning("access", "Whoever reaches the port is served, without a key. Set WHISPER_API_KEYS.")
    return ok("access", "programs on this machine, without a key")
