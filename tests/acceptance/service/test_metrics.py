"""What is exported is what the dashboard and the alerts ask for, and what has happened is in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests import media
from tests.acceptance.live import ROOT, LiveService, until
from tests.receiver import receiving
from tests.services import Start

DEPLOY = ROOT / "deploy"
MAX_LINES = 500  # whatever the service has done


def scrape(service: LiveService) -> dict[str, list[dict[str, str]]]:
    """The labels of each sample of a name."""
    answer = service.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert len(answer.text.splitlines()) < MAX_LINES
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append({**sample.labels, "=": str(sample.value)})
    return found


def value(service: LiveService, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    rows = scrape(service).get(name, [])
    return sum(float(row["="]) for row in rows if labels.items() <= row.items())


@pytest.fixture(scope="module")
def eventful(start_service: Start, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveService:
    """A service in which a job has finished, one has failed and a webhook was delivered; all processes told of it."""
    service = start_service(
        "eventful", WHISPER_ENGINE="fake", WHISPER_WEBHOOK_ALLOWED_HOSTS="localhost", WHISPER_TIME_SCALE="0.1"
    )
    broken = media.random_bytes(tmp_path_factory.mktemp("broken") / "random.mp3")
    with receiving() as receiver:
        service.ended(service.submit(clip, webhook_url=receiver.url("/", "localhost")))
        service.ended(service.submit(broken))
        receiver.wait(1)
    for name, labels in (
        ("whisper_jobs_total", {"state": "finished"}),
        ("whisper_jobs_total", {"state": "failed", "code": "unsupported_media"}),
        ("whisper_webhook_attempts_total", {"result": "delivered"}),
        ("whisper_maintenance_pass_seconds_count", {}),
    ):
        until(partial(value, service, name, **labels), f"{name} {labels} is counted")
    return service


def expressions() -> Iterator[tuple[str, str]]:
    """Where each stands, and its PromQL."""
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((DEPLOY / "grafana" / "whisper-native.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_all_that_the_dashboard_and_the_alerts_ask_for_is_exported(eventful: LiveService) -> None:
    exported = scrape(eventful)
    wanted = {name: where for where, text in expressions() for name in re.findall(r"\bwhisper_\w+", text)}
    # what never happened here has no sample, only its type
    declared = set(re.findall(r"^# TYPE (\w+)", eventful.get("/metrics").text, re.MULTILINE))
    assert {name: where for name, where in wanted.items() if name not in exported and name not in declared} == {}
    assert len(wanted) > 20


def test_the_labels_they_ask_for_are_there(eventful: LiveService) -> None:
    exported = scrape(eventful)
    for where, text in expressions():
        for name, matchers in re.findall(r"\b(whisper_\w+)\{([^}]*)\}", text):
            labels = set(re.findall(r"(\w+)=", matchers))
            assert all(labels <= row.keys() for row in exported.get(name, [])), where
        if by := re.search(r"by \(([^)]*)\)", text):
            names = [name for name in re.findall(r"\bwhisper_\w+", text) if name in exported]
            labels = {label.strip() for label in by[1].split(",")}
            assert all(labels <= row.keys() for name in names for row in exported[name]), where


def test_every_metric_is_shown_or_watched(eventful: LiveService) -> None:
    asked = " ".join(text for _, text in expressions())
    families = {family.name for family in text_string_to_metric_families(eventful.get("/metrics").text)}
    assert {name for name in families if name not in asked} == set()


def test_no_label_names_a_job_a_file_an_owner_or_a_receiver(eventful: LiveService, clip: Path) -> None:
    allowed = {"state", "code", "queue", "engine", "model", "device", "worker", "version", "result", "le", "="}
    for name, rows in scrape(eventful).items():
        assert all(row.keys() <= allowed for row in rows), name
    text = eventful.get("/metrics").text
    assert not re.search(r"job_[0-9a-f]{12}|127\.0\.0\.1|local", text)
    assert clip.name not in text


def test_how_things_stand(eventful: LiveService) -> None:
    assert value(eventful, "whisper_worker_up", engine="fake") == 1
    assert value(eventful, "whisper_redis_up") == 1
    assert value(eventful, "whisper_lanes") >= 1
    assert value(eventful, "whisper_audio_seconds_total", engine="fake") > 1
    assert value(eventful, "whisper_store_free_bytes") > 0


def test_they_need_a_key_like_everything_else(keyed: LiveService) -> None:
    with keyed.http(authorization="Bearer wrong") as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/v1/workers").status_code == 401
    assert keyed.get("/metrics").status_code == 200


def test_workers_tell_what_they_are(eventful: LiveService) -> None:
    def told() -> dict[str, Any] | None:
        (worker,) = eventful.get("/v1/workers").json()["data"]
        found: dict[str, Any] = worker
        return found if found["last_beat_at"] and found["lanes"] else None

    worker = until(told, "the worker has told of itself") or {}
    assert (worker["status"], worker["engine"], worker["jobs"]) == ("ready", "fake", 0)
    assert abs(worker["clock_skew"]) < 1
    assert worker["version"] == eventful.get("/v1/info").json()["version"]
    assert worker["started_at"] <= worker["last_beat_at"]


def test_a_container_can_ask_whether_its_worker_lives(eventful: LiveService) -> None:
    def alive(url: str) -> int:
        command = [sys.executable, "-m", "worker.alive"]
        env = {**os.environ, "WHISPER_REDIS_URL": url}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False).returncode

    assert alive(eventful.running.redis_url) == 0
    assert alive("redis://127.0.0.1:1/0") == 1
