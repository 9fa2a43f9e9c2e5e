"""`whisper-native.py doctor`: looks at everything the service needs and says what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from engines.devices.cublas import load_cublas
from engines.devices.nvidia import Driver, find_driver
from scripts.doctor import libraries, listening, machine, queues
from scripts.doctor.finding import Finding, failure
from scripts.doctor.store import shared_store
from scripts.doctor.webhooks import callbacks
from scripts.doctor.weights import weights
from scripts.doctor.workers import workers
from scripts.service.config import ServiceConfig, SettingsInvalid
from scripts.service.pid_file import Running
from worker.store.factory import identity


def report() -> int:
    """Prints a line for each finding as it comes; 1 if there is a failure."""
    found = []
    for finding in examine():
        print(finding, flush=True)
        found.append(finding.state)
    failures, warnings = found.count("FAILURE"), found.count("warning")
    print(f"\nFailures: {failures}, warnings: {warnings}")
    return 1 if failures else 0


def examine() -> Iterator[Finding]:
    """All findings, from the ground up."""
    yield machine.python()
    yield machine.system()
    yield from libraries.libraries()
    try:
        service = ServiceConfig.from_settings()
    except SettingsInvalid as error:
        yield failure("settings", str(error))
        return
    yield from _of(service)


def _of(service: ServiceConfig) -> Iterator[Finding]:
    service, running = listening.running_service(service)
    if "worker" in service.roles:
        yield from _of_a_worker(service)
    yield from _of_store_and_redis(service, running)
    if "api" in service.roles:
        yield listening.port(service.api, running)
        yield listening.access(service.api)
    if "webhooks" in service.roles:
        yield callbacks(service.worker)
    yield machine.disk(service.worker.data_dir, service.api.min_free_bytes)
    yield listening.state(running, service.roles, service.api.any_key)
    yield from workers(running, service.worker.model_names.all)


def _of_store_and_redis(service: ServiceConfig, running: Running | None) -> Iterator[Finding]:
    store = shared_store(service.worker)
    if store:
        yield store
    store_id = identity(service.worker) if store is None or store.state != "FAILURE" else None
    yield from queues.queues(service.worker.redis_url, running.redis_url if running else None, store_id)


def _of_a_worker(service: ServiceConfig) -> Iterator[Finding]:
    driver = find_driver()
    yield libraries.engines(service.worker.engine)
    yield from machine.gpu(service.worker.devices or (service.worker.device,), driver, has_cublas=_has_cublas(driver))
    for model in service.worker.model_names.all:
        yield weights(model, service.worker.data_dir, service.worker.engine)


def _has_cublas(driver: Driver | None) -> bool:
    return driver is not None and driver.problem is None and load_cublas()
