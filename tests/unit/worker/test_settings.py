"""Settings come from WHISPER_ variables or `.env`, and nonsense is refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.settings import WorkerSettings, explain


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory without `.env`, and none of our variables."""
    import os

    for name in [name for name in os.environ if name.upper().startswith("WHISPER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_set_is_enough() -> None:
    settings = WorkerSettings()
    assert (settings.model, settings.engine, settings.device) == ("base", "auto", "auto")
    assert (settings.interactive_slots, settings.batch_slots) == (None, 2)
    assert (settings.lanes, settings.max_batch, settings.redis_url) == (None, None, None)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MODEL": "large-v3", "LANES": "3", "DATA_DIR": "/srv/w", "MAX_AUDIO_HOURS": "0.5"}.items():
        monkeypatch.setenv(f"WHISPER_{name}", value)
    settings = WorkerSettings()
    assert (settings.model, settings.lanes) == ("large-v3", 3)
    assert (settings.data_dir, settings.max_audio_hours) == (Path("/srv/w"), 0.5)


def test_a_line_of_env_is_read_and_a_variable_goes_before_it(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / ".env").write_text("WHISPER_MODEL=tiny\nWHISPER_BEAM_SIZE=2\nSOMETHING_ELSE=1\n", encoding="utf-8")
    monkeypatch.setenv("WHISPER_MODEL", "small")
    assert (WorkerSettings().model, WorkerSettings().beam_size) == ("small", 2)


def test_an_empty_value_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_LANES", "")
    monkeypatch.setenv("WHISPER_MODEL", "")
    assert (WorkerSettings().lanes, WorkerSettings().model) == (None, "base")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANES", "0"),
        ("LANES", "many"),
        ("MAX_BATCH", "-1"),
        ("BEAM_SIZE", "0"),
        ("BEAM_SIZE", "11"),
        ("MAX_AUDIO_HOURS", "0"),
        ("INTERACTIVE_SLOTS", "0"),
        ("BATCH_SLOTS", "65"),
        ("LOG_LEVEL", "verbose"),
        ("ENGINE", "whisperx"),
        ("DEVICE", "gpu"),
        ("DEVICE", "cuda:one"),
        ("DEVICES", "cuda:0,gpu"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WHISPER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        WorkerSettings()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LOG_LEVEL", "verbose", "DEBUG, INFO, WARNING, ERROR"),
        ("ENGINE", "whisperx", "auto, faster-whisper, whisper-cpp"),
        ("DEVICE", "gpu", "auto, cpu, cuda"),
        ("DEVICES", "cpu,cuda:one", "auto, cpu, cuda"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_those_that_are(
    name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WHISPER_{name}", value)
    with pytest.raises(ValidationError) as error:
        WorkerSettings()
    message = explain(error.value)
    assert f"WHISPER_{name}: " in message
    assert value.rpartition(",")[2] in message
    assert allowed in message


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("ENGINE", "Faster-Whisper", "faster-whisper"),
        ("ENGINE", "auto", "auto"),
        ("DEVICE", "cuda:1", "cuda:1"),
        ("DEVICE", "Metal", "Metal"),
        ("DEVICE", "vulkan:0", "vulkan:0"),
        ("DEVICE", "mps", "mps"),
    ],
)
def test_known_names_are_taken_in_any_case(
    name: str, value: str, meaning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WHISPER_{name}", value)
    assert getattr(WorkerSettings(), name.lower()) == meaning


def test_every_setting_is_described() -> None:
    for name, field in WorkerSettings.model_fields.items():
        assert field.description, name


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_MODELS", "small, turbo,,base")
    monkeypatch.setenv("WHISPER_DEVICES", "cuda:0, cuda:1")
    settings = WorkerSettings()
    assert settings.model_names.all == ("base", "small", "large-v3-turbo")
    assert settings.devices == ("cuda:0", "cuda:1")


@pytest.mark.parametrize("devices", ["cuda:0,cuda:0", "cuda,CUDA:0", "cpu,cpu"])
def test_two_workers_on_one_device_are_refused(devices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_DEVICES", devices)
    with pytest.raises(ValidationError, match="stands there twice"):
        WorkerSettings()


@pytest.mark.fault(95)
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+sentinel://localhost:26379/mymaster/0", "Sentinel is not supported"),
        ("sentinel://:secret@localhost", "Sentinel is not supported"),
        ("localhost:6379", "no URL of a Redis"),
        ("http://:secret@localhost:6379", "no URL of a Redis"),
    ],
)
def test_what_is_no_url_of_a_redis_is_refused_without_being_told(url: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WorkerSettings(redis_url=url)
    assert told in explain(caught.value)
    assert "secret" not in explain(caught.value)
