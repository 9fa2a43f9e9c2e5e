"""One machine of a fleet, and the part of the service that runs there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
from redis.exceptions import RedisError

from scripts.fleet.roles import Roles
from tests.acceptance.live import DEADLINE, ROOT, RUN, LiveService, until
from tests.fleet.network import Cable
from worker.queue import heartbeat
from worker.runtime.connection import connect_briefly

PORT = 9001
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")  # Debian's package libfaketime

# In namespaces of its own: a name, the start of its system, its processes from 1.
_BOOT = """
hostname "$1" && mount --bind "$2" /proc/sys/kernel/random/boot_id && shift 2 && exec "$@"
"""


@dataclass
class Machine(LiveService):
    """roles: the parts that run there. name: of the host, which others may have, too. ahead: seconds by which its clock
    is, as Python sees it; faked: as everything does, and under which nothing sleeps as it should."""

    cable: Cable = field(kw_only=True)
    hub: tuple[str, ...] = field(kw_only=True)  # what else is on the network
    client: str = field(kw_only=True)  # the address that it is called from
    roles: str = field(kw_only=True)
    name: str = field(kw_only=True)
    ahead: int = 0
    faked: int = 0
    tree: Path | None = None  # of another version of the service

    def start(self) -> None:
        """Returns once its part is ready: an API without a worker, too."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        if hasattr(self, "_process") and self._process.stdin:  # it ended by itself
            self._process.stdin.close()
        self._boot = uuid4().hex
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "boot_id").write_text(f"{self._boot}\n")
        with open(self.directory / "service.log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._namespaces(), sys.executable, "-c", RUN],
                cwd=self.directory,
                env={**self._environment(), "WHISPER_ROLES": self.roles, **self._clock()},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        try:
            until(self.is_ready, f"{self.name} is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    def _environment(self) -> dict[str, str]:
        own = {"NATIVE_WHISPER_HOST": self.cable.address, "NATIVE_WHISPER_PORT": str(PORT)}
        path = [*([self._wrong_clock()] if self.ahead else []), str(self.tree or ROOT)]
        return {**super()._environment(), **own, "PYTHONPATH": os.pathsep.join(path)}

    def _namespaces(self) -> list[str]:
        new = ["--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        boot = ["sh", "-c", _BOOT, "boot", self.name, str(self.directory / "boot_id")]
        return ["ip", "netns", "exec", self.cable.namespace, "unshare", *new, *boot]

    def _wrong_clock(self) -> str:
        """Where the Pythons of the machine look first as they start."""
        startup = self.directory / "startup"
        startup.mkdir(exist_ok=True)
        (startup / "sitecustomize.py").write_text(f"from tests.wrong_clock import install\n\ninstall({self.ahead})\n")
        return str(startup)

    def _clock(self) -> dict[str, str]:
        if not self.faked:
            return {}
        return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{self.faked:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    @property
    def url(self) -> str:
        return f"http://{self.cable.address}:{PORT}"

    @property
    def host(self) -> str:
        return self.cable.address

    def http(self, **headers: str) -> httpx.Client:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.HTTPTransport(verify=False, local_address=self.client)
        return httpx.Client(base_url=self.url, headers=sent, timeout=DEADLINE, transport=transport)

    @property
    def redis_url(self) -> str:
        return self.settings["WHISPER_REDIS_URL"]

    @property
    def pid(self) -> int:
        """The supervisor's, as it is seen from outside."""
        (supervisor,) = psutil.Process(self._process.pid).children()
        return supervisor.pid

    @property
    def is_there(self) -> bool:
        return hasattr(self, "_process") and self._process.poll() is None

    def is_ready(self) -> bool:
        assert self._process.poll() is None, f"{self.name} ended with exit code {self._process.returncode}"
        if "api" in Roles.parse(self.roles):
            with suppress(httpx.TransportError):
                return self.get("/health").status_code == 200
            return False
        return any(worker.takes_work for worker in self.workers())

    def workers(self) -> list[heartbeat.WorkerHeartbeat]:
        """As they are heard of in Redis."""
        with connect_briefly(self.redis_url) as redis:
            return [worker for worker in heartbeat.workers(redis) if f"-{self._boot[:8]}-" in worker.name]

    # What befalls it

    def stop(self) -> None:
        """One that ended by itself leaves its input, and one that was never started nothing."""
        if hasattr(self, "_process"):
            super().stop()

    def ask_to_stop(self) -> None:
        with suppress(psutil.NoSuchProcess, ValueError):
            psutil.Process(self.pid).terminate()

    def vanish(self) -> None:
        """Without a word: nothing that its end would send arrives."""
        self.cut()
        self._process.kill()
        self._process.wait(DEADLINE)
        if self._process.stdin:
            self._process.stdin.close()
        self.mend()

    def revive(self) -> None:
        """As `start`, for a machine that may come up before what it needs, and is started again until that is there."""

        def is_up() -> bool:
            if not self.is_there:
                self.begin()
            with suppress(AssertionError, RedisError):
                return self.is_ready()
            return False

        until(is_up, f"{self.name} is up again", 2 * DEADLINE)

    def cut(self, *addresses: str) -> None:
        """Of the network, or from some of it."""
        self.cable.cut(*(addresses or self.hub))

    def mend(self) -> None:
        self.cable.mend(*self.hub)

    @contextmanager
    def offline(self, *addresses: str) -> Iterator[None]:
        self.cut(*addresses)
        try:
            yield
        finally:
            self.mend()


def faketime() -> str:
    """Why no machine can have a clock of its own; empty if it can."""
    return "" if FAKETIME.exists() else "only with the package libfaketime a machine has a clock of its own"


def pause(seconds: float) -> None:
    """How long a fault lasts, which is what the test is about."""
    time.sleep(seconds)
