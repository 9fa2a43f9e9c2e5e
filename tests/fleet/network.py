"""A network of machines as Linux knows them: namespaces on a bridge, whose cables lose what goes to some addresses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

REDIS, STORE, CLIENTS = 1, 2, 3  # the last numbers of their addresses; receivers of webhooks are where clients are
NOBODY = "02:00:00:00:00:01"  # a hardware address that no card has


class NoMachines(Exception):
    """Says why there can be none here."""


class Network:
    """Of at most two hundred machines, which are numbered from 0. Needs root."""

    def __init__(self) -> None:
        self._name = f"wf{os.getpid()}"
        self._net = f"10.213.{os.getpid() % 250}"
        self._machines: list[str] = []

    def address(self, last: int) -> str:
        return f"{self._net}.{last}"

    @property
    def network(self) -> str:
        return f"{self._net}.0/24"

    def open(self) -> None:
        """Raises NoMachines."""
        if reason := _missing():
            raise NoMachines(reason)
        try:
            _ip("link", "add", self._name, "type", "bridge")
            for last in (REDIS, STORE, CLIENTS):
                _ip("address", "add", f"{self.address(last)}/24", "dev", self._name)
            _ip("link", "set", self._name, "up")
        except subprocess.CalledProcessError as error:
            self.close()
            raise NoMachines(f"no network of machines can be made here: {error.stderr.strip()}") from None

    def close(self) -> None:
        for machine in self._machines:
            _try("netns", "del", machine)
        _try("link", "del", self._name)

    def add(self) -> Cable:
        number = len(self._machines)
        machine = f"{self._name}m{number}"
        own = f"{self._name}v{number}"
        _ip("netns", "add", machine)
        self._machines.append(machine)
        _ip("link", "add", own, "type", "veth", "peer", "name", "eth0", "netns", machine)
        _ip("link", "set", own, "master", self._name, "up")
        cable = Cable(machine, self.address(11 + number))
        cable.plug_in()
        return cable


class Cable:
    """Of one machine. namespace: its name; address: its own."""

    def __init__(self, namespace: str, address: str) -> None:
        self.namespace = namespace
        self.address = address

    def plug_in(self) -> None:
        """And a second card that leads nowhere."""
        self._ip("link", "set", "lo", "up")
        self._ip("address", "add", f"{self.address}/24", "dev", "eth0")
        self._ip("link", "set", "eth0", "up")
        self._ip("link", "add", "nowhere", "type", "veth", "peer", "name", "end")
        self._ip("link", "set", "nowhere", "up")
        self._ip("link", "set", "end", "up")

    def cut(self, *addresses: str) -> None:
        """What is sent there is lost without a word, also over connections that are open."""
        for address in addresses:
            self._ip("neigh", "replace", address, "lladdr", NOBODY, "dev", "nowhere", "nud", "permanent")
            self._ip("route", "replace", f"{address}/32", "dev", "nowhere", "src", self.address)

    def mend(self, *addresses: str) -> None:
        for address in addresses:
            _try("-n", self.namespace, "route", "del", f"{address}/32", "dev", "nowhere")

    def _ip(self, *words: str) -> None:
        _ip("-n", self.namespace, *words)


@contextmanager
def network() -> Iterator[Network]:
    """Raises NoMachines."""
    found = Network()
    found.open()
    try:
        yield found
    finally:
        found.close()


def _missing() -> str:
    if sys.platform != "linux" or os.geteuid():
        return "only root on Linux can make machines of its own"
    missing = [program for program in ("ip", "unshare") if not shutil.which(program)]
    return f"without {missing[0]} (iproute2, util-linux) there are no machines of their own" if missing else ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _try(*words: str) -> None:
    subprocess.run(["ip", *words], check=False, capture_output=True)
