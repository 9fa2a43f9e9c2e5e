"""Some of the service's processes run here, and the others elsewhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.cli import commands
from scripts.fleet.roles import Roles
from scripts.service.config import LauncherSettings, ServiceConfig, SettingsInvalid
from scripts.service.pid_file import PidFile, Running


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ("worker", "api", "webhooks")),
        ("api,webhooks", ("api", "webhooks")),
        (" Webhooks , API,", ("api", "webhooks")),
        ("worker", ("worker",)),
        ("worker,webhooks,api", ("worker", "api", "webhooks")),
    ],
)
def test_parts_are_named_in_any_order(text: str, names: tuple[str, ...]) -> None:
    assert Roles.parse(text).names == names


def test_a_part_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match=r"'gpu'.*worker, api, webhooks"):
        Roles.parse("api,gpu")
    with pytest.raises(ValueError, match="'gpu'"):
        LauncherSettings(_env_file=None, roles="gpu")  # type: ignore[call-arg]


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceConfig:
    monkeypatch.chdir(tmp_path)
    return ServiceConfig.from_settings()


def test_parts_on_one_machine_have_files_of_their_own_beside_the_logs(whole: ServiceConfig) -> None:
    parts = [replace(whole, roles=Roles.parse(text)) for text in ("", "worker", "api,webhooks")]
    for name in ("pid_file", "stop_file", "drain_file", "log_file"):
        assert len({getattr(part, name) for part in parts}) == 3
    assert whole.pid_file == whole.worker.data_dir / "whisper-native.pid"
    assert whole.parts_here() == [whole]
    for part in parts:
        part.pid_file.touch()
    assert [part.roles for part in whole.parts_here()] == [part.roles for part in parts]
    assert parts[1].parts_here() == [parts[1]]


def test_a_part_needs_a_redis_that_the_others_reach(monkeypatch: pytest.MonkeyPatch, whole: ServiceConfig) -> None:
    monkeypatch.setenv("WHISPER_ROLES", "worker")
    with pytest.raises(SettingsInvalid, match="WHISPER_REDIS_URL"):
        ServiceConfig.from_settings()
    monkeypatch.setenv("WHISPER_REDIS_URL", "redis://localhost:1/0")
    assert ServiceConfig.from_settings().roles == Roles(("worker",))


@pytest.mark.parametrize(("parts", "code"), [("api,webhooks", 0), ("worker", 1)])
def test_the_dashboard_is_the_apis_whichever_parts_run_here(
    whole: ServiceConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parts: str,
    code: int,
) -> None:
    url = "http://localhost:9001" if "api" in parts else ""
    file = PidFile(replace(whole, roles=Roles.parse(parts)).pid_file)
    file.hold()
    try:
        file.write(Running(os.getpid(), 0.0, url, None, "redis://localhost:1/0"))
        monkeypatch.setattr("webbrowser.open", lambda url: True)
        assert commands.dashboard(whole, {}, 0.0) == code
    finally:
        file.release()
    told = capsys.readouterr()
    assert (f"Dashboard: {url}/rq" in told.out) is (code == 0)
    assert ("No API runs" in told.err) is (code == 1)


@pytest.mark.parametrize(("one", "other", "do"), [("worker", "api", False), ("worker", "", True)])
def test_what_runs_already_is_not_started_again(one: str, other: str, do: bool) -> None:
    assert Roles.parse(one).overlap(Roles.parse(other)) is do
