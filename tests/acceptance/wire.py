"""Requests byte for byte, as clients put them on the wire, and what no library would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

BOUNDARY = "-" * 26 + "0123456789abcdef01234567"  # as the form-data library of Node.js makes them


FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


def field(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file(content: bytes, filename: bytes = b"clip.wav", name: str = "file", kind: str = "audio/wav") -> bytes:
    """A part with a file; `filename` stands in its header as it is."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="'.encode() + filename + b'"\r\n'
    return disposition + f"Content-Type: {kind}\r\n\r\n".encode() + content


def form(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """The parts as a multipart body."""
    return b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def head(port: int, body: bytes, headers: Iterable[str] = (), path: str = "/v1/audio/transcriptions") -> bytes:
    """The head of a POST of a form."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        *headers,
        f"content-type: multipart/form-data; boundary={BOUNDARY}",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=60)


def send(port: int, data: bytes) -> Answer:
    """Sends the bytes and reads the answer."""
    with connect(port) as connection:
        connection.sendall(data)
        return receive(connection)


def receive(connection: socket.socket) -> Answer:
    with HTTPResponse(connection, method="POST") as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
