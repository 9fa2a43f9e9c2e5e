"""What an operator set reaches the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.backoff import NoBackoff

from engines.base import Engine
from engines.registry import EngineOptions
from tests.unit.factories import ScriptedEngine
from worker.running.worker_process import WorkerProcess
from worker.settings import WorkerSettings


def test_the_operators_choices_reach_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, EngineOptions]] = []

    def create(name: str, options: EngineOptions) -> Engine:
        made.append((name, options))
        return ScriptedEngine()

    monkeypatch.setattr("worker.running.loading.create_engine", create)
    monkeypatch.setattr("worker.runtime.connection._BACKOFF", NoBackoff())
    settings = WorkerSettings(data_dir=tmp_path, engine="fake", device="cpu", beam_size=3, max_batch=2, offline=True)
    WorkerProcess(settings, "redis://127.0.0.1:1/0")._load("small").close()
    options = EngineOptions("small", device="cpu", beam_size=3, max_batch=2, data_dir=tmp_path, offline=True)
    assert made == [("fake", options)]
