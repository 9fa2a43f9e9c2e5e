"""Where the service listens: how to reach it, and whether the port is free."""

from __future__ import annotations

import errno
import socket
import sys

from scripts.service.readiness import ask

NEIGHBOUR_TIMEOUT = 1.0  # seconds, for whoever has the port to say what it is


def url_for(host: str, port: int) -> str:
    """How a program on this machine reaches a service that listens on `host`."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def free_port(host: str) -> int:
    with _bound(host, 0) as probe:
        port: int = probe.getsockname()[1]
        return port


def problem_with(host: str, port: int) -> str | None:
    """Why the service cannot listen there and what to do about it, or None."""
    try:
        with _bound(host, port) as probe:
            probe.listen()  # this, too, fails where somebody else does
    except OSError as error:
        return _explain(error, host, port)
    return None


def problem_with_wyoming(host: str, port: int) -> str | None:
    """The same for the other protocol's address."""
    try:
        with _bound(host, port) as probe:
            probe.listen()
    except OSError as error:
        return (
            f"WHISPER_WYOMING: nothing can listen on {host} port {port}: {error.strerror or error}. If another program "
            "has the port, stop it or choose another one."
        )
    return None


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    probe = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections just closed do not count
        probe.bind(address)
    except OSError:
        probe.close()
        raise
    return probe


def _explain(error: OSError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"'{host}' is no address of this machine. Set NATIVE_WHISPER_HOST (or --host) to one, such as 127.0.0.1."
    if error.errno == errno.EADDRINUSE:
        answers = ask(url_for(host, port), timeout=NEIGHBOUR_TIMEOUT).answers
        who = "another whisper-native, with a data directory of its own," if answers else "another program"
        return (
            f"Port {port} is taken by {who} on this machine. Stop it, or choose another port: "
            f"--port {port + 1 if port < 65535 else port - 1}, or NATIVE_WHISPER_PORT in .env."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"The system does not allow port {port}. Choose one above 1023: --port, or NATIVE_WHISPER_PORT in .env."
    return f"The service cannot listen on {host} port {port}: {error}. Set NATIVE_WHISPER_HOST and NATIVE_WHISPER_PORT."
