"""A service that is asked to drain ends what it has in hand, takes nothing new, and forgets nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.service.config import ServiceConfig
from scripts.service.stopping import drain_running
from scripts.wyoming.settings import WyomingSettings
from tests.acceptance.live import LiveService, assert_error, until
from tests.services import Start
from tests.unit.api_service import api_settings, worker_settings
from worker.drain import DrainRequest


@pytest.fixture(scope="module")
def steady(start_service: Start) -> LiveService:
    """Two seconds for each window, one job at a time."""
    one = {f"WHISPER_{name}": "1" for name in ("LANES", "MAX_BATCH", "INTERACTIVE_SLOTS", "BATCH_SLOTS")}
    return start_service("steady", WHISPER_ENGINE="fake", WHISPER_MODEL="2", WHISPER_TIME_SCALE="0.1", **one)


def test_what_runs_ends_and_what_waits_goes_on_with_the_next_start(
    steady: LiveService, clip: Path, talk_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running, waiting = steady.submit(talk_file), steady.submit(clip)
    steady.in_state(running, "started")
    DrainRequest.of(steady.data).ask(60)
    answer = steady.transcribe(clip)
    assert_error(answer, 503, "shutting_down")
    assert int(answer.headers["retry-after"]) > 0
    assert "x-should-retry" not in answer.headers
    later = steady.submit(clip)
    assert "draining" in steady.get("/health/ready").json()["checks"]["worker"]["detail"]
    settings = worker_settings(data_dir=steady.data)
    config = ServiceConfig(api_settings(), settings, steady.directory / "logs", WyomingSettings())
    assert drain_running(steady.running, config, 600) == "stopped"  # joins the drain that is under way
    assert "jobs in hand" in capsys.readouterr().out
    assert steady._process.wait(60) == 0
    assert (steady.data / "jobs" / running / "outcome.json").exists()
    assert not any((steady.data / "jobs" / job / "outcome.json").exists() for job in (waiting, later))
    steady.stop()
    steady.start()
    assert {steady.ended(job)["status"] for job in (running, waiting, later)} == {"finished"}


def test_a_stop_ends_a_drain_at_once(steady: LiveService, talk_file: Path) -> None:
    job = steady.submit(talk_file)
    steady.in_state(job, "started")
    DrainRequest.of(steady.data).ask(600)
    until(lambda: "Draining" in steady.log(), "the worker drains")
    steady.stop()
    assert steady._process.returncode == 0
    assert not (steady.data / "jobs" / job / "outcome.json").exists()
    assert not DrainRequest.of(steady.data).is_there()
