"""A name server for the receiver's name, slow while a file says so: the soak's service imports this at its start.

No process may set another's name server without being root, so the question is answered before it leaves the process.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAME = "receiver.test"
FLAG = "names-are-slow"  # in the directory the service is started in
SECONDS = 6.0

_resolve = socket.getaddrinfo


def _answer(host: Any, *rest: Any, **named: Any) -> Any:
    if host in (NAME, NAME.encode()):
        if os.path.exists(FLAG):
            time.sleep(SECONDS)
        host = "127.0.0.1"
    return _resolve(host, *rest, **named)


def install() -> None:
    socket.getaddrinfo = _answer


def prepare(directory: Path) -> str:
    """PYTHONPATH for a service that is started in this directory."""
    startup = directory / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "sitecustomize.py").write_text(f"from {__name__} import install\n\ninstall()\n")
    return os.pathsep.join((str(startup), str(ROOT)))
