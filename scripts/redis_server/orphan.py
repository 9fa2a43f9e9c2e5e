"""A server that outlived its service: it is ended before another takes its files.

`redis.url` in the directory says where the last one listened. The note travels with a copy of the directory, and names
the original's server then; so a server is believed only if it says itself that it works in this very directory.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, RedisError

from scripts.redis_server.program import RedisUnavailable
from worker.runtime.connection import connect_briefly

NOTE = "redis.url"
PID_FILE = "redis.pid"
RETIRE_TIMEOUT = 20.0  # seconds an orphan gets to write its file and end

log = logging.getLogger(__name__)


def retire_orphan(directory: Path, url: str) -> None:
    """Ends the server of an earlier run, if one still serves the directory. url: where the next one will listen.
    Raises RedisUnavailable if it does not end."""
    noted = _noted(directory)
    if noted is not None and noted != url and _works_in(directory, noted):
        _retire(directory, noted)
    _retire(directory, url)


def shut_down(url: str) -> None:
    """Asks a server to write its file and end."""
    try:
        with connect_briefly(url) as client:
            client.shutdown(nosave=True)
    except RedisError as error:
        log.warning("Redis did not take the request to stop: %s", error)


def _noted(directory: Path) -> str | None:
    with suppress(OSError, ValueError):  # ValueError: damaged, no text or no URL
        url = (directory / NOTE).read_text(encoding="utf-8").partition("\n")[0].strip()  # the rest is a later version's
        connect_briefly(url).close()
        return url
    return None


def _works_in(directory: Path, url: str) -> bool:
    """Whether the server there works in this directory, by its own word, or by its process's if it does not answer."""
    try:
        with connect_briefly(url) as client:
            place = client.config_get("dir").get("dir", "")
    except (AuthenticationError, ConnectionError):  # nobody there, or somebody else on that port
        return False
    except RedisError:
        return _process_in(directory) is not None
    return _is_same(Path(str(place)), directory)


def _retire(directory: Path, url: str) -> None:
    if not _lives(url):
        return
    log.warning("A Redis of an earlier run still serves %s: ending it first.", directory)
    shut_down(url)
    if _ends(url):
        return
    if (pid := _process_in(directory)) is not None:
        log.warning("It hangs, and is killed (pid %d).", pid)
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        if _ends(url):
            return
    raise RedisUnavailable(
        f"A Redis of an earlier run still serves {directory} and does not end. "
        f"End that process (its number stands in {directory / PID_FILE}) and try again."
    )


def _ends(url: str) -> bool:
    deadline = time.monotonic() + RETIRE_TIMEOUT
    while _lives(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _lives(url: str) -> bool:
    """Whether a server is there, be it busy or still loading."""
    try:
        with connect_briefly(url) as client:
            client.ping()
    except BusyLoadingError:
        return True
    except (AuthenticationError, ConnectionError):
        return False
    except RedisError:
        return True
    return True


def _process_in(directory: Path) -> int | None:
    """The process of the pid file if it works in this directory; None if it does not, or the system cannot say."""
    with suppress(OSError, ValueError):
        pid = int((directory / PID_FILE).read_text(encoding="ascii"))
        return pid if _is_same(Path(f"/proc/{pid}/cwd"), directory) else None
    return None


def _is_same(place: Path, directory: Path) -> bool:
    try:
        return place.samefile(directory)
    except (OSError, ValueError):
        return False
