"""Webhooks go to public addresses, and elsewhere only where the operator says so."""

from __future__ import annotations

import ipaddress
import socket

import psutil
import pytest

from worker.outbound.addresses import AddressBook, Kind, Policy, Resolve, effective, kind_of, own_networks, resolve
from worker.outbound.target import Refused, Target


def book(*addresses: str, networks: tuple[str, ...] = (), hosts: tuple[str, ...] = ()) -> AddressBook:
    """addresses: what every name leads to; without any, the system's own resolver is asked."""
    policy = Policy(tuple(ipaddress.ip_network(text) for text in networks), frozenset(hosts))
    resolver: Resolve = (lambda host, port: list(addresses)) if addresses else resolve
    return AddressBook(policy, resolver)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("64:ff9b::808:808", "public"),
        ("2002:808:808::1", "public"),
        ("127.0.0.1", "private"),
        ("127.255.255.254", "private"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("192.0.2.1", "private"),
        ("198.18.0.1", "private"),
        ("203.0.113.1", "private"),
        ("::1", "private"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("fec0::1", "private"),
        ("2001:db8::1", "private"),
        ("64:ff9b:1::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("::127.0.0.1", "private"),
        ("64:ff9b::7f00:1", "private"),
        ("2002:7f00:1::", "private"),
        ("2002:a00:1::", "private"),
        ("0.0.0.0", "special"),
        ("0.1.2.3", "special"),
        ("169.254.169.254", "special"),
        ("168.63.129.16", "special"),
        ("192.0.0.192", "special"),
        ("::ffff:0:7f00:1", "private"),
        ("::ffff:169.254.169.254", "special"),
        ("64:ff9b::a9fe:a9fe", "special"),
        ("2002:a9fe:a9fe::", "special"),
        ("224.0.0.1", "special"),
        ("239.255.255.250", "special"),
        ("240.0.0.1", "special"),
        ("255.255.255.255", "special"),
        ("::", "special"),
        ("fe80::1", "special"),
        ("fe80::1%lo", "special"),
        ("ff02::1", "special"),
    ],
)
def test_what_kind_of_address_it_is(address: str, kind: Kind) -> None:
    assert kind_of(effective(address)) == kind


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5678/hook",
        "http://localhost:5678/hook",
        "http://LOCALHOST.:5678/hook",
        "http://2130706433/hook",
        "http://0x7f.1/hook",
        "http://127.1/hook",
        "http://0177.0.0.1/hook",
        "http://[::1]/hook",
        "http://[::ffff:127.0.0.1]/hook",
        "http://[::ffff:7f00:1]/hook",
        "http://0.0.0.0/hook",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1%25lo]/hook",
        "http://10.1.2.3/hook",
        "http://192.168.0.1/hook",
        "http://[fd00::1]/hook",
    ],
)
def test_an_address_of_this_machine_or_network_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(Refused, match=r"WHISPER_WEBHOOK_ALLOWED_HOSTS|no address"):
        book().addresses(Target.parse(url))


@pytest.mark.fault(57)
@pytest.mark.parametrize("address", ["10.0.0.7", "::1", "169.254.169.254", "fd00::7"])
def test_a_name_that_leads_to_such_an_address_is_refused(address: str) -> None:
    with pytest.raises(Refused, match=r"hooks\.example\.com"):
        book(address).addresses(Target.parse("https://hooks.example.com/"))


def test_of_several_addresses_only_the_allowed_are_dialled() -> None:
    target = Target.parse("https://hooks.example.com/")
    assert book("10.0.0.1", "8.8.8.8", "::1", "1.1.1.1").addresses(target) == ["8.8.8.8", "1.1.1.1"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:5678/", "http://localhost:5678/", "http://2130706433:5678/"])
def test_an_allowed_network_lets_all_its_spellings_in(url: str) -> None:
    assert book(networks=("127.0.0.0/8",)).addresses(Target.parse(url)) == ["127.0.0.1"]


def test_an_allowed_host_is_allowed_by_that_name_alone() -> None:
    allowing = book("192.168.0.5", hosts=("n8n.lan",))
    assert allowing.addresses(Target.parse("http://N8N.lan:5678/")) == ["192.168.0.5"]
    with pytest.raises(Refused):
        allowing.addresses(Target.parse("http://nas.lan:5678/"))


def test_an_allowed_host_with_its_port_is_allowed_there_alone() -> None:
    allowing = book("192.168.0.5", hosts=("n8n.lan:5678",))
    assert allowing.addresses(Target.parse("http://n8n.lan:5678/"))
    with pytest.raises(Refused):
        allowing.addresses(Target.parse("http://n8n.lan:8080/"))


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "::"])
def test_a_special_address_has_to_be_named_exactly(address: str) -> None:
    target = Target.parse("http://metadata.lan/")
    for vague in (book(address, networks=("0.0.0.0/0", "::/0")), book(address, hosts=("metadata.lan",))):
        with pytest.raises(Refused):
            vague.addresses(target)
    for exact in (book(address, networks=(address,)), book(address, hosts=(address,))):
        assert exact.addresses(target) == [address]


@pytest.mark.fault(58)
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "https:// or http://"),
        ("gopher://example.com/_x", "https:// or http://"),
        ("ftp://example.com/", "https:// or http://"),
        ("unix:///var/run/docker.sock", "https:// or http://"),
        ("example.com/hook", "https:// or http://"),
        ("http://user:secret@example.com/", "user name"),
        ("http://user@127.0.0.1/", "user name"),
        ("http://example.com\\@127.0.0.1/", "user name"),
        ("http:///hook", "no host"),
        ("http://:80/hook", "no host"),
        ("http://exa mple.com/", "printable ASCII"),
        ("http://example.com/\r\nX-Injected: 1", "printable ASCII"),
        ("http://①②⑦.0.0.1/", "printable ASCII"),
        ("http://exa%6dple.com/", "no host"),
        ("http://example.com:99999/", "not a valid URL"),
        ("http://[::1/", "not a valid URL"),
        ("http://example.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_what_is_no_url_to_call_is_refused(url: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        book("8.8.8.8").addresses(Target.parse(url))


@pytest.mark.fault(58)
@pytest.mark.parametrize("port", [1, 22, 25, 53, 111, 445, 3306, 5432, 6379, 11211, 27017])
def test_a_port_of_another_protocol_is_refused_until_it_is_named(port: int) -> None:
    target = Target.parse(f"http://example.com:{port}/")
    with pytest.raises(Refused, match=f"WHISPER_WEBHOOK_ALLOWED_HOSTS=example.com:{port}"):
        book("8.8.8.8").addresses(target)
    assert book("8.8.8.8", hosts=(f"example.com:{port}",)).addresses(target) == ["8.8.8.8"]


@pytest.mark.parametrize("port", [80, 443, 3000, 5678, 8080, 8443, 9001])
def test_usual_ports_pass(port: int) -> None:
    assert book("8.8.8.8").addresses(Target.parse(f"http://example.com:{port}/"))


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://Example.com/a?b=c#d", "example.com", "/a?b=c"),
        ("https://example.com:443?x", "example.com", "/?x"),
        ("http://example.com:443", "example.com:443", "/"),
        ("http://[2606:4700::1111]:8080/", "[2606:4700::1111]:8080", "/"),
    ],
)
def test_what_goes_on_the_wire(url: str, authority: str, path: str) -> None:
    target = Target.parse(url)
    assert (target.authority, target.path) == (authority, path)


OWN = tuple(ipaddress.ip_network(text) for text in ("9.9.9.9/32", "9.9.9.0/24", "2606:4700::5/128", "2606:4700::/64"))


@pytest.mark.fault(73)
@pytest.mark.parametrize(
    "address",
    ["9.9.9.9", "9.9.9.200", "::ffff:9.9.9.9", "2002:909:909::1", "64:ff9b::909:909", "2606:4700::5", "2606:4700::77"],
)
def test_this_machines_public_address_and_its_neighbours_are_inside(address: str) -> None:
    target = Target.parse("http://hooks.example.com/")

    def resolver(host: str, port: int) -> list[str]:
        return [address]

    with pytest.raises(Refused, match="WHISPER_WEBHOOK_ALLOWED_HOSTS=hooks"):
        AddressBook(Policy(), resolver, own=lambda: OWN).addresses(target)
    allowing = Policy(hosts=frozenset({"hooks.example.com"}))
    assert AddressBook(allowing, resolver, own=lambda: OWN).addresses(target) == [address]
    by_network = Policy(networks=(ipaddress.ip_network("9.9.9.0/24"), ipaddress.ip_network("2606:4700::/32")))
    assert AddressBook(by_network, resolver, own=lambda: OWN).addresses(target) == [address]


@pytest.mark.fault(73)
def test_an_address_that_this_machine_gets_later_is_inside_from_then_on() -> None:
    own: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    asked = AddressBook(Policy(), lambda host, port: ["9.9.9.9"], own=lambda: own)
    assert asked.addresses(Target.parse("http://hooks.example.com/")) == ["9.9.9.9"]
    own.append(ipaddress.ip_network("9.9.9.9/32"))
    with pytest.raises(Refused):
        asked.addresses(Target.parse("http://hooks.example.com/"))


@pytest.mark.fault(73)
def test_every_address_of_this_machine_is_known() -> None:
    found = own_networks()
    families = (socket.AF_INET, socket.AF_INET6)
    rows = [row for rows in psutil.net_if_addrs().values() for row in rows if row.family in families]
    assert rows
    for row in rows:
        address = ipaddress.ip_address(row.address.partition("%")[0])
        assert any(address in network for network in found)
    assert not any(ipaddress.ip_address("8.8.8.8") in network for network in found)
