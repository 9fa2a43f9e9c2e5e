"""A model hub on a loopback port: it speaks as much of the Hugging Face hub's API as fetching a repository takes, and
can cut connections and alter bytes on the way."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = ".bin"  # kept as the hub keeps large files: by their SHA-256


@dataclass
class Hub:
    """files: of the one repository, by name. cut_after: bytes of a large file after which each connection breaks.
    goes_on: while it is not set, a connection falls silent there instead. altered: large files arrive with a byte
    changed. requested: the ranges large files were asked for, in order."""

    repository: str
    files: Mapping[str, bytes]
    url: str = ""
    cut_after: int | None = None
    altered: bool = False
    is_up: bool = True
    requested: list[str | None] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def local_hub(repository: str, files: Mapping[str, bytes]) -> Iterator[Hub]:
    hub = Hub(repository, files)
    hub.goes_on.set()

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield hub
    hub.goes_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        repository = re.escape(self.served.repository)
        path = self.path.partition("?")[0]
        if not self.served.is_up:
            self._send(503, b"")
        elif re.fullmatch(rf"/api/models/{repository}(/revision/\w+)?", path):
            self._send_json({"id": self.served.repository, "sha": COMMIT, "siblings": self._listing("rfilename")})
        elif re.fullmatch(rf"/api/models/{repository}/tree/\w+", path):
            self._send_json([{"type": "file", **row} for row in self._listing("path")])
        elif (match := re.fullmatch(rf"/{repository}/resolve/\w+/(.+)", path)) and match[1] in self.served.files:
            self._send_file(match[1], with_body=with_body)
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _listing(self, key: str) -> list[dict[str, Any]]:
        rows = []
        for name, data in self.served.files.items():
            row: dict[str, Any] = {key: name, "size": len(data), "blobId": _git_sum(data), "oid": _git_sum(data)}
            if name.endswith(LARGE):
                sha256 = hashlib.sha256(data).hexdigest()
                row["lfs"] = {"size": len(data), "oid": sha256, "sha256": sha256, "pointerSize": 134}
            rows.append(row)
        return rows

    def _send_file(self, name: str, *, with_body: bool) -> None:
        data = self.served.files[name]
        is_large = name.endswith(LARGE)
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest() if is_large else _git_sum(data)}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        if not with_body:
            self._send(200, b"", headers, length=len(data))
            return
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if is_large:
            self.served.requested.append(wanted)
            data = data[:-1] + b"!" if self.served.altered else data
        part = data[start:]
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if is_large and self.served.cut_after is not None:
            self._send(206 if wanted else 200, part[: self.served.cut_after], headers, length=len(part))
            self.served.goes_on.wait()
            self.close_connection = True
        else:
            self._send(206 if wanted else 200, part, headers)

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: what was asked for stands in `requested`."""


def _git_sum(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
