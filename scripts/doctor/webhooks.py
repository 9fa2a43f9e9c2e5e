"""Whether the receiver of webhooks can be reached, without sending it anything."""

from __future__ import annotations

import ipaddress
import socket
import ssl

from scripts.doctor.finding import Finding, failure, ok, warning
from worker.outbound.addresses import AddressBook, Unresolved
from worker.outbound.client import tls_context
from worker.outbound.target import Refused, Target
from worker.settings import WorkerSettings

TIMEOUT = 5.0  # seconds


def callbacks(settings: WorkerSettings) -> Finding:
    if settings.webhook_url is None:
        return ok("webhooks", "no WHISPER_WEBHOOK_URL; jobs may name a webhook_url of their own")
    try:
        target = Target.parse(settings.webhook_url)
        addresses = AddressBook(settings.webhook_policy).addresses(target)
        _connect(target, addresses[0], settings)
    except (Refused, Unresolved) as error:
        return failure("webhooks", f"WHISPER_WEBHOOK_URL: {error}")
    except OSError as error:
        return failure("webhooks", f"WHISPER_WEBHOOK_URL is not reached ({error}). Start the receiver, or correct it.")
    is_open = target.scheme == "http" and not ipaddress.ip_address(addresses[0]).is_loopback
    report = warning if is_open else ok
    return report("webhooks", f"{target.authority} can be reached{', without encryption' if is_open else ''}")


def _connect(target: Target, address: str, settings: WorkerSettings) -> None:
    with socket.create_connection((address, target.port), TIMEOUT) as connection:
        if target.scheme == "https":
            context: ssl.SSLContext = tls_context(settings.webhook_ca_file)
            context.wrap_socket(connection, server_hostname=target.host).close()
