"""The Redis the service starts for itself if none is set: private, durable, gone with the service.

It listens on a unix socket only its owner may open; if there are none (Windows), on a loopback port with a password.
Whoever can reach it can make the worker run jobs, so it is never on the network.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from redis.exceptions import RedisError

from scripts.redis_server.orphan import NOTE, PID_FILE, retire_orphan, shut_down
from scripts.redis_server.program import RedisUnavailable, find_server
from scripts.redis_server.pulse import Pulse
from scripts.redis_server.runtime_directory import SOCKET, runtime_directory
from scripts.redis_server.unreadable_files import CONFIG, UnreadableFiles
from scripts.service.supervisor import ChildSpec
from worker.runtime.connection import connect_briefly
from worker.runtime.timing import Timing


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
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            message = f"{directory} is not a directory and cannot be made one: {error.strerror}. Move what lies there."
            raise RedisUnavailable(message) from None
        log_file = log_dir.resolve() / "redis.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if unix_sockets and os.name != "nt":
            return cls(server, directory, log_file, runtime_directory(directory) / SOCKET)
        return cls(server, directory, log_file, None, _free_port(), secrets.token_urlsafe(32))

    @property
    def url(self) -> str:
        if self.socket is not None:
            return f"unix://{quote(str(self.socket))}"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def child(self, timing: Timing = Timing()) -> ChildSpec:
        """What the supervisor runs. An orphan of a killed service is ended first, so that one server owns the files."""
        retire_orphan(self.directory, self.url)
        _write_private(self.directory / NOTE, self.url)
        files = UnreadableFiles(self.directory, self.log_file)

        def ready() -> bool:
            if answers := self.answers():
                files.server_answered()
            return answers

        return ChildSpec(
            name="redis",
            argv=(str(self.server), str(self._write_config())),
            ready=ready,
            hangs=Pulse(str(self.socket) if self.socket else ("127.0.0.1", self.port), timing.redis_hung).hangs,
            lifeline=False,
            stop=self.shut_down if os.name == "nt" else None,  # elsewhere SIGTERM says the same
            failed=files.server_failed,
        )

    def answers(self) -> bool:
        """Whether it takes commands, which it does once its file is loaded."""
        try:
            with connect_briefly(self.url) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def tidy_up(self) -> None:
        """Removes its directory of sockets, if that is not the one of its files. To be called once it has ended."""
        if self.socket is None or self.socket.parent == self.directory:
            return
        with contextlib.suppress(OSError):  # somebody has put something else there
            self.socket.unlink(missing_ok=True)
            (self.socket.parent / CONFIG).unlink(missing_ok=True)
            self.socket.parent.rmdir()

    def shut_down(self) -> None:
        """Asks the server to write its file and end."""
        shut_down(self.url)

    def _write_config(self) -> Path:
        path = (self.socket.parent if self.socket else self.directory) / CONFIG
        lines = [
            "# Written anew at every start of the service.",
            *self._listen_lines(),
            f"dir {_quoted(self.directory)}",
            f"pidfile {_quoted(self.directory / PID_FILE)}",
            f"logfile {_quoted(self.log_file)}",
            "daemonize no",
            'save ""',
            "hz 5",  # looks a second at what has expired: each wakes the machine
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quoted(path: Path) -> str:
    """As Redis reads it in its configuration."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:  # a path may be no text
        file.write(text)
