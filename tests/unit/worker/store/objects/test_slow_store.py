"""A store that hangs is heard of in time, and one that is slow is waited for as long as something comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from worker.store.objects import bucket
from worker.store.objects.bucket import Bucket

PIECES, PAUSE = 8, 0.1  # seconds between two


class Slow(BaseHTTPRequestHandler):
    """Answers `hangs` not at all, and everything else piece by piece."""

    ended = threading.Event()

    def do_GET(self) -> None:
        if self.path.endswith("hangs"):
            self.ended.wait(30)
            return
        self.send_response(200)
        for name, value in (
            ("content-length", str(PIECES)),
            ("etag", '"a"'),
            ("last-modified", self.date_time_string()),
        ):
            self.send_header(name, value)
        self.end_headers()
        for _ in range(PIECES):
            self.wfile.write(b"x")
            time.sleep(PAUSE)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Its times are a hundredth of the real ones, and less."""
    monkeypatch.setattr(bucket, "TRIES", 0)
    monkeypatch.setattr(bucket, "PATIENCE", timedelta(seconds=request.param[0]))
    monkeypatch.setattr(bucket, "STALL", timedelta(seconds=request.param[1]))
    Slow.ended.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    keys = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
    yield Bucket.at("s3://bucket", endpoint=f"http://127.0.0.1:{server.server_address[1]}", **keys)
    Slow.ended.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("slow", [(0.05, 0.05)], indirect=True)
def test_a_store_that_hangs_is_given_up(slow: Bucket, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(OSError, match="does not answer as it should"):
        slow.get("hangs")
    with pytest.raises(OSError, match="does not answer as it should"):
        slow.download("hangs", tmp_path / "file")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("slow", [(0.5, 0.6)], indirect=True)
def test_a_recording_may_take_longer_than_a_record_while_something_comes(slow: Bucket, tmp_path: Path) -> None:
    """Over a slow line an hour of sound takes minutes."""
    slow.download("source", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x" * PIECES
