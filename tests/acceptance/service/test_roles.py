"""The API and a worker as services of their own, on one Redis and one data directory, as on two machines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from scripts.cli import commands
from scripts.fleet.roles import Roles
from scripts.service.config import ServiceConfig
from scripts.service.pid_file import PidFile
from scripts.service.readiness import ask_parts
from scripts.wyoming.settings import WyomingSettings
from tests.acceptance.live import LiveService, until
from tests.integration.running_worker import redis_server
from tests.unit.api_service import api_settings, worker_settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")


@dataclass
class Part(LiveService):
    """What `whisper-native.py run --only …` runs, with logs of its own."""

    roles: str = ""

    @property
    def config(self) -> ServiceConfig:
        worker = worker_settings(data_dir=self.data, redis_url=self.settings["WHISPER_REDIS_URL"])
        logs = self.directory / "logs"
        return ServiceConfig(api_settings(), worker, logs, WyomingSettings(), Roles.parse(self.roles))

    @property
    def data(self) -> Path:
        return self.directory.parent / "data"

    def _is_known(self) -> bool:
        assert self._process.poll() is None, self.log()
        running = PidFile(self.config.pid_file).leftover()
        if running is not None:
            self.running = running
        return running is not None

    def is_ready(self) -> bool:
        assert self._process.poll() is None, self.log()
        return ask_parts(self.config.roles, self.running.url, self.running.redis_url).ready


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[Part, Part]]:
    """The API with webhooks, and a worker; neither is started."""
    with redis_server() as redis:
        common = {"WHISPER_REDIS_URL": redis.url, "WHISPER_ENGINE": "fake", "WHISPER_TIME_SCALE": "0.1"}
        made = [
            Part(tmp_path / name, {**common, "WHISPER_ROLES": roles}, roles=roles)
            for name, roles in (("box", "api,webhooks"), ("mac", "worker"))
        ]
        yield made[0], made[1]
        for part in made:
            if hasattr(part, "_process"):
                part.stop()


@pytest.mark.slow
@pytest.mark.fault(171)
def test_each_runs_without_the_other(parts: tuple[Part, Part], clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Slow: two starts of parts of the service, and a worker that is killed."""
    box, mac = parts
    box.start()
    checks = box.get("/health/ready").json()["checks"]
    assert not checks["worker"]["ok"]
    job = box.submit(clip)
    assert commands.status(box.config) == 0
    mac.start()
    assert box.ended(job)["status"] == "finished"
    assert commands.status(mac.config) == 0
    told = capsys.readouterr().out
    assert f"whisper-native (api, webhooks) is running, and jobs wait for a worker: {box.url}" in told
    assert "whisper-native (worker) is running and ready (pid" in told
    (worker,) = psutil.Process(mac.pid).children()
    worker.send_signal(signal.SIGKILL)
    until(lambda: worker.pid not in [child.pid for child in psutil.Process(mac.pid).children()], "it is seen")
    assert box.ended(box.submit(clip))["status"] == "finished", "its supervisor starts another"
    assert commands.stop(mac.config, drain=60) == 0
    assert mac._process.wait(60) == 0
    assert commands.status(mac.config) == 3
    assert commands.status(box.config) == 0
    assert commands.stop(box.config) == 0
