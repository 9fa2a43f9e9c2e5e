"""Allowed targets of what users name. What counts is the address that is dialled, not the name it was given by.

A URL comes from whoever may submit a job, and this machine can reach what they cannot: its own services, its network,
the metadata service of a cloud. So only public addresses are called, and what the operator allows besides.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import ifaddr

from worker.outbound.target import Refused, Target

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["public", "private", "special"]
Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What is called and why, for messages. hosts, networks: the settings that allow more. rule: what goes on inside,
    `where` or `from which` of an address. target: what there is at the other end."""

    hosts: str
    networks: str
    rule: str
    target: str


WEBHOOKS = Purpose(
    "WHISPER_WEBHOOK_ALLOWED_HOSTS",
    "WHISPER_WEBHOOK_ALLOWED_NETWORKS",
    "where webhooks go only if they are allowed to",
    "the receiver",
)
RECORDINGS = Purpose(
    "WHISPER_URL_ALLOWED_HOSTS",
    "WHISPER_URL_ALLOWED_NETWORKS",
    "from which recordings are fetched only if that is allowed",
    "the recording",
)

# This host, link-local (the metadata services of clouds), multicast, reserved. Only who names such a network, or a part
# of it, means it: 0.0.0.0/0 does not.
_SPECIAL = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "168.63.129.16/32",  # Azure's own, though of a public range
        "169.254.0.0/16",
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "ff00::/8",
    )
]
_TRANSLATED = ipaddress.ip_network("::ffff:0:0:0/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")


class Unresolved(Exception):
    """The name server does not answer now; later it may."""


class NoAddress(Refused):
    """The name has none, says the name server, or there is no network to ask it on."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system's own resolver finds them; raises Refused if it has none."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise Unresolved(f"The name '{host}' could not be resolved: the name server does not answer.") from None
        raise NoAddress(f"The name '{host}' has no address.") from None
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def effective(text: str) -> Address:
    """The address that is really reached: an IPv4 address in IPv6 clothes is taken out of them."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and (address in _NAT64 or address in _TRANSLATED):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long out of use
            inner = ipaddress.IPv4Address(int(address))
        return inner or address
    return address


def kind_of(address: Address) -> Kind:
    """`private` is whatever is no special address and not reached over the internet: loopback, LANs, carriers' NAT."""
    if any(address in network for network in _SPECIAL):
        return "special"
    if not address.is_global or address.is_multicast or address in _LOCAL_NAT64 or address in _SITE_LOCAL:
        return "private"
    return "public"


def own_networks() -> tuple[Network, ...]:
    """The addresses of this machine's interfaces, and the networks they are on: whoever is there is inside, also with
    a public address. An address that only a router or a cloud maps to this machine is not among them."""
    found: set[Network] = set()
    for adapter in ifaddr.get_adapters():
        for row in adapter.ips:
            text = row.ip if isinstance(row.ip, str) else row.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            found.add(ipaddress.ip_network(address))
            if row.network_prefix:  # one of 0 bits, as some tunnels have, would make the internet ours
                found.add(ipaddress.ip_network(f"{address}/{row.network_prefix}", strict=False))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows besides public addresses. hosts: names or addresses, in lower case, perhaps with
    `:port`, which also allows a port that other protocols use."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    purpose: Purpose = WEBHOOKS

    def check_port(self, target: Target) -> None:
        if not target.has_usual_port and f"{target.host}:{target.port}" not in self.hosts:
            raise Refused(
                f"Port {target.port} belongs to another protocol than HTTP. If {self.purpose.target} is there, set "
                f"{self.purpose.hosts}={target.host}:{target.port} and restart the service."
            )

    def allowed(self, target: Target, addresses: Iterable[str], own: Iterable[Network] = ()) -> list[str]:
        """The addresses that may be dialled, in the given order; raises Refused if that is none. own: networks that
        count as private, whatever their addresses are."""
        inside = tuple(own)
        found = [text for text in addresses if self._allows(effective(text), target, inside)]
        if not found:
            raise Refused(
                f"'{target.host}' is an address of this machine or its network, {self.purpose.rule}: set "
                f"{self.purpose.hosts}={target.host} or {self.purpose.networks}=… and restart the service."
            )
        return found

    def _allows(self, address: Address, target: Target, own: tuple[Network, ...]) -> bool:
        kind = kind_of(address)
        named = [network for network in self.networks if address in network]
        if kind == "special":
            return any(_is_special(network) for network in named) or str(address) in self.hosts
        if named or (kind == "public" and not any(address in network for network in own)):
            return True
        return bool({target.host, f"{target.host}:{target.port}"} & self.hosts)


def _is_special(network: Network) -> bool:
    """Whether all of it is."""
    return any(
        special.version == network.version
        and network.network_address in special
        and network.broadcast_address in special
        for special in _SPECIAL
    )


class AddressBook:
    """Resolves a target and says where it may be dialled."""

    def __init__(
        self, policy: Policy, resolver: Resolve = resolve, own: Callable[[], Iterable[Network]] = own_networks
    ) -> None:
        self.policy = policy
        self._resolve = resolver
        self._own = own

    def addresses(self, target: Target) -> list[str]:
        """Raises Refused, or Unresolved if trying again may help."""
        self.policy.check_port(target)
        return self.policy.allowed(target, self._resolve(target.host, target.port), self._own())
