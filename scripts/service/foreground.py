"""Runs the service in this process: Redis if none is set, the worker and the API, under the supervisor."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from redis.exceptions import RedisError

from scripts.fleet.roles import Roles
from scripts.redis_server.given_redis import problem_with as problem_with_redis
from scripts.redis_server.program import RedisUnavailable
from scripts.service.address import free_port, problem_with, problem_with_wyoming, url_for
from scripts.service.config import ServiceConfig
from scripts.service.embedded_redis import EmbeddedRedis
from scripts.service.guide import SCRIPT, usage
from scripts.service.log_file import LogRotation
from scripts.service.pid_file import AlreadyRunning, PidFile, Running
from scripts.service.readiness import ask_parts
from scripts.service.supervisor import ChildCannotStart, ChildSpec, Supervisor
from worker.drain import DRAIN_FILE, DrainRequest
from worker.queue import heartbeat
from worker.queue.dead_workers import DeadWorkers
from worker.queue.job_queue import QUEUES
from worker.queue.leases import Leases
from worker.runtime import logs, open_files
from worker.runtime.connection import connect_briefly
from worker.runtime.exit_codes import DRAINED, IDLE, STARTS_IDLE
from worker.runtime.log_file import LOG_FILE
from worker.runtime.timing import Timing
from worker.settings import WorkerSettings
from worker.store.errors import StoreUnfit
from worker.store.factory import identity, open_store

log = logging.getLogger(__name__)


class CannotListen(Exception):
    """Says who has the port and what to do."""


def run(service: ServiceConfig, overrides: Mapping[str, str], log_file: str | None, wait: float) -> int:
    """Runs until asked to stop; returns the exit code. log_file: where the output goes, None for a terminal."""
    logs.set_up("service", service.worker.log_level, service.worker.log_format)
    open_files.allow_many()
    try:
        with _alone(service) as pid_file:
            port = _choose_port(service) if "api" in service.roles else 0
            _check_wyoming(service)
            redis = None if service.worker.redis_url else EmbeddedRedis.plan(service.worker.data_dir, service.log_dir)
            redis_url = redis.url if redis else _given_redis(service.worker)
            url = url_for(service.api.host, port) if port else ""
            timing = service.worker.timing
            dead_workers = DeadWorkers(redis_url, open_store(service.worker))
            children = [
                *_children(redis, redis_url, port, dead_workers, service.worker.devices, timing, service.roles),
                *_wyoming(service, url),
            ]
            pid_file.write(Running(os.getpid(), time.time(), url, log_file, redis_url, dict(overrides)))
            if log_file is None:
                threading.Thread(target=_say_when_ready, args=(service, url, redis_url, wait), daemon=True).start()
            rotation = _rotation(service, log_file)
            drain = DrainRequest(service.drain_file)
            os.environ[DRAIN_FILE] = str(service.drain_file.resolve())
            supervisor = Supervisor(
                children,
                should_stop=lambda: service.stop_file.exists() or drain.is_overdue(),
                each_round=rotation.look,
                timing=timing,
            )
            _supervise(supervisor, redis)
    except AlreadyRunning:
        log.error("The service runs already. See: %s status", SCRIPT)
        return 1
    except (CannotListen, ChildCannotStart, RedisUnavailable, StoreUnfit) as error:
        log.error("%s", error)
        return 1
    return 0


def _supervise(supervisor: Supervisor, redis: EmbeddedRedis | None) -> None:
    """Until the service is asked to stop."""
    try:
        supervisor.run()
    finally:
        if redis is not None:
            redis.tidy_up()


def _given_redis(settings: WorkerSettings) -> str:
    """The URL; raises RedisUnavailable if the service cannot run there."""
    url = str(settings.redis_url)
    if problem := problem_with_redis(url, identity(settings)):
        raise RedisUnavailable(problem)
    return url


def _rotation(service: ServiceConfig, log_file: str | None) -> LogRotation:
    """Of all logs the service writes. Its processes follow its own; Redis opens its own anew for every line."""
    own = None if log_file is None else Path(log_file).resolve()
    if own is not None:
        os.environ[LOG_FILE] = str(own)
    return LogRotation(own, [service.redis_log_file])


@contextlib.contextmanager
def _alone(service: ServiceConfig) -> Iterator[PidFile]:
    """Holds the pid file: there is one service for one data directory, or one of its part on this machine."""
    pid_file, drain = PidFile(service.pid_file), DrainRequest(service.drain_file)
    pid_file.hold()
    try:
        service.stop_file.unlink(missing_ok=True)
        drain.withdraw()
        yield pid_file
    finally:
        drain.withdraw()
        service.stop_file.unlink(missing_ok=True)
        pid_file.release()


def _choose_port(service: ServiceConfig) -> int:
    port = service.api.port or free_port(service.api.host)
    if problem := problem_with(service.api.host, port):
        raise CannotListen(problem)
    return port


def _check_wyoming(service: ServiceConfig) -> None:
    """Or a port that another program has would end the whole service."""
    if "api" in service.roles and (address := service.wyoming.address) and (problem := problem_with_wyoming(*address)):
        raise CannotListen(problem)


def _wyoming(service: ServiceConfig, url: str) -> list[ChildSpec]:
    """The process that speaks it, if it is asked for."""
    if service.wyoming.address is None or "api" not in service.roles:
        return []
    return [ChildSpec("wyoming", (sys.executable, "-m", "scripts.wyoming", url), {"PYTHONUNBUFFERED": "1"})]


def _children(
    redis: EmbeddedRedis | None,
    redis_url: str,
    port: int,
    dead_workers: DeadWorkers,
    devices: Sequence[str] = (),
    timing: Timing = Timing(),
    roles: Roles = Roles(),
) -> list[ChildSpec]:
    """In the order they start; they stop in the reverse. devices: one worker for each, instead of the one there is."""
    env = {"WHISPER_REDIS_URL": redis_url, "NATIVE_WHISPER_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    worker = ChildSpec(
        "worker",
        (sys.executable, "-m", "worker"),
        env,
        died=dead_workers.bury,
        successors={IDLE: {STARTS_IDLE: "1"}},
        last=(DRAINED,),
    )
    workers = [
        replace(worker, name=f"worker {device}", env={**env, "WHISPER_DEVICE": device}) for device in devices
    ] or [worker]
    others = {"api": "api", "webhooks": "worker.webhooks"}  # the module of each
    programs = [
        *(workers if "worker" in roles else []),
        *(ChildSpec(name, (sys.executable, "-m", others[name]), env) for name in roles.names if name in others),
    ]
    if redis is None:
        return programs
    spec = redis.child(timing)
    return [replace(spec, ready=_forgets_earlier_workers(spec.ready, redis.url)), *programs]


def _forgets_earlier_workers(answers: Callable[[], bool], redis_url: str) -> Callable[[], bool]:
    """Ready once Redis answers. The first time it drops the heartbeats of an earlier run's workers and hands on
    what they had in hand, which would stay theirs for some seconds more: nobody else uses this Redis."""
    forgotten = False

    def ready() -> bool:
        nonlocal forgotten
        if not answers():
            return False
        if not forgotten:
            try:
                with connect_briefly(redis_url) as client:
                    for worker in heartbeat.workers(client):
                        heartbeat.withdraw(client, worker.name)
                    Leases(client, QUEUES).release_of(lambda slot: True)
            except RedisError:  # not quite ready, on a busy machine: the next look tries again
                return False
            forgotten = True
        return True

    return ready


def _say_when_ready(service: ServiceConfig, url: str, redis_url: str, wait: float) -> None:
    deadline, needs_key = time.monotonic() + wait, bool(service.api.api_keys)
    while time.monotonic() < deadline:
        if ask_parts(service.roles, url, redis_url).ready:
            text = usage(url, needs_key=needs_key, stop="Ctrl-C", log=None, parts=str(service.roles))
            print(f"\n{text}\n", flush=True)
            return
        time.sleep(0.5)
