"""Uploads that end before they are done: the client leaves, or the disk is full."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import media, speech
from tests.acceptance import wire
from tests.acceptance.live import LiveService, assert_error, nothing_left, until

MEGABYTE = 1024 * 1024
ROUTES = ["/v1/audio/transcriptions", "/v1/jobs"]


def api(service: LiveService) -> psutil.Process:
    children = psutil.Process(service._process.pid).children(recursive=True)
    return next(process for process in children if process.cmdline()[1:3] == ["-m", "api"])


def open_uploads(service: LiveService) -> list[str]:
    return [file.path for file in api(service).open_files() if "/incoming/" in file.path]


@pytest.mark.fault(15)
def test_a_client_that_leaves_in_mid_upload_leaves_no_file_open(quick: LiveService) -> None:
    body = wire.form(wire.field("model", "base"), wire.file(bytes(3 * MEGABYTE)))
    with nothing_left(quick):
        connections = [wire.connect(quick.port) for _ in range(10)]
        for connection in connections:
            connection.sendall(wire.head(quick.port, body) + body[: 2 * MEGABYTE])
        until(lambda: len(open_uploads(quick)) == 10, "ten uploads have begun")
        for connection in connections:
            connection.close()
        until(lambda: not open_uploads(quick), "all are closed")


def pieces(size: int) -> Iterator[bytes]:
    body = wire.form(wire.field("model", "base"), wire.file(bytes(size)))
    return (body[at : at + 65_536] for at in range(0, len(body), 65_536))


@pytest.mark.fault(17)
@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("has_length", [True, False])
def test_an_upload_that_does_not_fit_is_refused_and_removed(
    small_disk: LiveService, path: str, has_length: bool
) -> None:
    content = b"".join(pieces(45 * MEGABYTE)) if has_length else pieces(45 * MEGABYTE)
    with nothing_left(small_disk):
        response = small_disk.post(path, content=content, headers={"content-type": wire.FORM_TYPE})
        assert_error(response, 507, "insufficient_storage")


def fill(path: Path) -> None:
    """A file that takes all the room there is."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MEGABYTE))


@pytest.mark.fault(17)
def test_a_disk_that_fills_up_during_an_upload(small_disk: LiveService) -> None:
    """Another program takes all there is, to the last page; afterwards the service works as before."""
    body = wire.form(wire.field("model", "base"), wire.file(bytes(10 * MEGABYTE)))
    ballast = small_disk.data / "ballast"
    with nothing_left(small_disk), wire.connect(small_disk.port) as connection:
        connection.sendall(wire.head(small_disk.port, body) + body[: 3 * MEGABYTE])
        until(lambda: open_uploads(small_disk), "the upload has begun")
        fill(ballast)
        connection.sendall(body[3 * MEGABYTE :])
        answer = wire.receive(connection)
        assert (answer.status, answer.json()["error"]["code"]) == (507, "insufficient_storage")
        ballast.unlink()
    clip = media.write(small_disk.directory / "clip.wav", speech.tone(3))
    assert small_disk.ended(small_disk.submit(clip))["status"] == "finished"
