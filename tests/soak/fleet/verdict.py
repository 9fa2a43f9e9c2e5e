"""What must hold of what several machines share: each job ends once, and nothing is left over."""

from __future__ import annotations

import os
import threading

from redis import Redis

from tests.acceptance.live import until
from tests.fleet.fleet import Fleet
from tests.soak.verdict import OF_A_JOB, OF_THE_SERVICE
from worker.store.objects.object_store import ObjectStore

LOOK = 2.0  # seconds between two


class SharedOutcomes:
    """Watches every job's `outcome.json` in the store: once it is there, it stays as it is."""

    def __init__(self, fleet: Fleet) -> None:
        self.problems: list[str] = []
        self._bucket = fleet.bucket
        self._seen: dict[str, tuple[float, bytes]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK):
            try:
                self.look()
            except OSError:  # it is one of the faults
                continue

    def look(self) -> None:
        for entry in list(self._bucket.list("jobs/")):
            job_id, _, name = entry.name.partition("/")
            seen_at, seen = self._seen.get(job_id, (0.0, b""))
            if name != "outcome.json" or seen_at == entry.changed_at:
                continue
            try:
                content = self._bucket.get(f"jobs/{entry.name}").data
            except FileNotFoundError:  # deleted this moment
                continue
            if seen and seen != content:
                self.problems.append(f"{job_id} ended twice: {seen!r}, {content!r}")
            self._seen[job_id] = entry.changed_at, content


def check_objects_of_jobs(fleet: Fleet) -> list[str]:
    """Nothing of an attempt stays at an ended job's place."""
    names = {entry.name for entry in fleet.bucket.list("jobs/")}
    return [f"left in a job: {name}" for name in sorted(names) if not _is_of_a_job(name.partition("/")[2])]


def _is_of_a_job(name: str) -> bool:
    return name in OF_A_JOB or name.startswith("deliveries.")


def nothing_is_left(fleet: Fleet) -> list[str]:
    """Once maintenance has removed uploads that broke off while the store was away, as it does after an hour."""
    ObjectStore(fleet.bucket, fleet.directory / "judge").sweep_incoming(0)
    try:
        until(lambda: not _leftovers(fleet), "nothing is left over", timeout=60)
    except AssertionError:
        return _leftovers(fleet)
    return []


def _leftovers(fleet: Fleet) -> list[str]:
    """Whatever is in the store, in Redis or on a machine once every job is deleted."""
    objects = [f"{place}{entry.name}" for place in ("jobs/", "broken/") for entry in fleet.bucket.list(place)]
    files = [
        f"{machine.name}: {place}/{name}"
        for machine in fleet.machines
        for place in ("incoming", "fetching")
        for name in os.listdir(machine.data / "shared" / place)
    ]
    with Redis.from_url(fleet.redis.url) as redis:
        keys = [key.decode() for key in redis.scan_iter(count=1000) if not key.decode().startswith(OF_THE_SERVICE)]
    return [f"left over: {name}" for name in [*objects, *files, *keys]]
