"""A Redis, a store and machines that share them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests import seaweedfs
from tests.acceptance.live import DEADLINE, ENDED, until
from tests.faults.small_disk import mounted
from tests.fleet.machine import Machine
from tests.fleet.network import CLIENTS, REDIS, STORE, Network, network
from tests.fleet.proxy import Proxy
from tests.integration.running_worker import RedisServer
from tests.receiver import Receiver, Reply
from tests.soak.load import essence
from worker.runtime.connection import connect_briefly
from worker.store.objects.bucket import Bucket
from worker.telemetry.vitals import vitals_of

BOX, WORKER = "api,webhooks", "worker"
SPECIAL = ("ahead", "faked", "tree")  # of a Machine
# Windows of half a second, one at a time.
SLOW_ENGINE = {"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "0.5", "WHISPER_LANES": "1", "WHISPER_MAX_BATCH": "1"}


@dataclass
class Fleet:
    """store: the server itself; proxy: the way to it that all machines take. receiver: of webhooks."""

    directory: Path
    network: Network
    redis: RedisServer
    store: seaweedfs.SeaweedFS
    proxy: Proxy
    receiver: Receiver
    scale: float = 0.1
    machines: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = self.store.new_place()

    @property
    def redis_address(self) -> str:
        return self.network.address(REDIS)

    @property
    def store_address(self) -> str:
        return self.network.address(STORE)

    @property
    def client_address(self) -> str:
        return self.network.address(CLIENTS)

    @property
    def bucket(self) -> Bucket:
        return self.store.bucket(self.place)

    @property
    def webhook_url(self) -> str:
        return self.receiver.url(host=self.client_address)

    def add(self, roles: str, name: str, **settings: Any) -> Machine:
        """It is not started. settings: environment variables, and what a Machine has of its own."""
        own: dict[str, Any] = {key: settings.pop(key) for key in SPECIAL if key in settings}
        shared = {
            **self.store.environment(),
            "AWS_ENDPOINT_URL": self.proxy.url,
            "WHISPER_STORE": self.place,
            "WHISPER_REDIS_URL": self.redis.url,
            "WHISPER_TIME_SCALE": str(self.scale),
            "WHISPER_WEBHOOK_ALLOWED_NETWORKS": self.network.network,
            "WHISPER_ALLOW_ANONYMOUS": "true",
            "WHISPER_WEBHOOK_SECRET": "whsec_c29tZSBzZWNyZXQgb2YgdGhlIHNvYWsgdGVzdHMu",
            **SLOW_ENGINE,
            **settings,
        }
        hub = (self.redis_address, self.store_address, self.client_address)
        directory = self.directory / f"{len(self.machines)}-{name}"
        own |= {"cable": self.network.add(), "hub": hub, "client": self.client_address}
        machine = Machine(directory, shared, roles=roles, name=name, **own)
        self.machines.append(machine)
        return machine

    def start(self, *machines: Machine) -> None:
        """All at once; returns when they are ready."""
        for machine in machines:
            machine.begin()
        for machine in machines:
            machine.wait()

    def boxes(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.roles == BOX and machine.is_there]

    def stop(self) -> None:
        for machine in self.machines:
            machine.mend()
            if machine.is_there:
                machine.ask_to_stop()
        for machine in self.machines:
            machine.stop()


@contextmanager
def fleet(directory: Path, answer: Any = None, scale: float = 0.1, disk: int | None = None) -> Iterator[Fleet]:
    """Without machines. answer: of the receiver. disk: bytes of the store's, if it has one of its own. Raises
    NoMachines."""
    with ExitStack() as stack:
        net = stack.enter_context(network())
        if disk:
            stack.enter_context(mounted(directory / "seaweedfs", disk))
        store = stack.enter_context(seaweedfs.running(directory / "seaweedfs"))
        proxy = Proxy(net.address(STORE), store.port)
        stack.callback(proxy.close)
        redis = RedisServer(Path(stack.enter_context(TemporaryDirectory(prefix="wn-"))), net.address(REDIS))
        stack.callback(redis.kill)
        receiver = Receiver(answer or (lambda number, request: Reply()), host=net.address(CLIENTS))
        stack.callback(receiver.close)
        made = Fleet(directory, net, redis, store, proxy, receiver, scale)
        stack.callback(made.stop)
        yield made


class Promised:
    """Jobs that were accepted, and what must hold of them whatever happens meanwhile."""

    def __init__(self, fleet: Fleet, box: Machine, recording: Path, undisturbed: Any, count: int) -> None:
        self._fleet = fleet
        self._undisturbed = undisturbed
        self.ids = [accepted(box, recording, fleet.webhook_url) for _ in range(count)]

    def hold(self, box: Machine) -> None:
        """Nothing is lost, nothing comes twice, nothing is changed, and every end is told."""
        jobs = [ended(box, job_id) for job_id in self.ids]
        ends = {job_id: self._end(job_id) for job_id in self.ids}
        assert [job["status"] for job in jobs] == ["finished"] * len(jobs), [job["error"] for job in jobs]
        for job_id in self.ids:
            assert transcript(box, job_id) == self._undisturbed
            assert segments(box, job_id) == essence(self._undisturbed)["segments"]
        until(lambda: self._told() >= set(self.ids), f"all ends are told; missing: {set(self.ids) - self._told()}")
        listed = [job["id"] for job in box.get("/v1/jobs", limit=100).json()["data"]]
        assert sorted(set(listed)) == sorted(listed)
        assert set(self.ids) <= set(listed)
        until(lambda: not self._left(), f"attempts leave nothing behind: {self._left()}")
        assert {job_id: self._end(job_id) for job_id in self.ids} == ends, "a late result"

    def _end(self, job_id: str) -> tuple[bytes, bytes]:
        bucket = self._fleet.bucket
        return bucket.get(f"jobs/{job_id}/outcome.json").data, bucket.get(f"jobs/{job_id}/transcript.json").data

    def _told(self) -> set[str]:
        return {json.loads(request.body)["data"]["id"] for request in list(self._fleet.receiver.requests)}

    def _left(self) -> list[str]:
        found = (entry.name for job_id in self.ids for entry in self._fleet.bucket.list(f"jobs/{job_id}/"))
        return [name for name in found if name.startswith(("checkpoint", "retry"))]


def accepted(box: Machine, recording: Path, webhook_url: str) -> str:
    """The id of a new job; sent as by a client that goes on while the service says 503, which is to leave nothing."""

    def send() -> str | None:
        with open(recording, "rb") as file:
            response = box.post("/v1/jobs", data={"webhook_url": webhook_url}, files={"file": file})
        assert response.status_code in (202, 503), response.text
        return str(response.json()["id"]) if response.status_code == 202 else None

    return until(send, "a job is accepted") or ""


def ended(box: Machine, job_id: str) -> dict[str, Any]:
    """The job once it has; asked for as by a client that goes on while the service says 503."""

    def look() -> dict[str, Any] | None:
        response = box.get(f"/v1/jobs/{job_id}", wait=5)
        assert response.status_code in (200, 503), response.text
        job: dict[str, Any] = response.json()
        return job if response.status_code == 200 and job["status"] in ENDED else None

    return until(look, f"{job_id} ends", 2 * DEADLINE) or {}


def in_hand(machine: Machine) -> int:
    """How many jobs the machine's worker says it has."""
    names = [worker.name for worker in machine.workers()]
    with connect_briefly(machine.redis_url) as redis:
        return sum(each.jobs for each in vitals_of(redis, names) if each)


def transcript(box: Machine, job_id: str) -> Any:
    query = {"format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    response = box.get(f"/v1/jobs/{job_id}/transcript", **query)
    assert response.status_code == 200, response.text
    return response.json()


def segments(box: Machine, job_id: str) -> list[dict[str, Any]]:
    """As they were told to whoever follows the job."""
    told = []
    with box.http() as client, client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        event = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "segment":
                told.append(json.loads(value))
            elif name == "data" and event == "done":
                assert json.loads(value)["status"] in ENDED
                break
    return told
