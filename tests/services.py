"""The services the tests call: each is started by the first test that needs it and shared by all that do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests import media, speech
from tests.acceptance.live import LiveService

Start = Callable[..., LiveService]

# A tenth of the time between beats, of a lease, a grace and a claim, and once in `make test-slow` the real times.
SCALES = [pytest.param(0.1, id="a tenth"), pytest.param(1.0, id="real times", marks=pytest.mark.slow)]

KEYS = {"anna": "sk-anna-3c1f7e", "ben": "sk-ben-92ab04"}


@pytest.fixture(scope="session")
def start_lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a service for all tests."""
    with starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a service with settings of its own; it stops with the module's tests at the latest."""
    with starting(tmp_path_factory) as start:
        yield start


@contextmanager
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    if os.name == "nt":
        pytest.skip("no redis-server for Windows comes with the packages")
    started: list[LiveService] = []

    def start(name: str, key: str | None = None, models: Path | None = None, **settings: str) -> LiveService:
        service = LiveService(tmp_path_factory.mktemp(name), settings, key)
        if models:
            service.data.mkdir()
            (service.data / "models").symlink_to(models, target_is_directory=True)
        service.start()
        started.append(service)
        return service

    try:
        yield start
    finally:
        for service in started:
            service.ask_to_stop()
        for service in started:
            service.stop()


@pytest.fixture(scope="session")
def service(start_lasting: Start, base_model: Path) -> LiveService:
    """Real weights: base in int8. For tests in which the words matter."""
    return start_lasting("base", models=base_model.parent, WHISPER_MODEL="base", WHISPER_COMPUTE_TYPE="int8")


@pytest.fixture(scope="session")
def quick(start_lasting: Start) -> LiveService:
    """Everything but the model: it answers with one made-up word for each second of speech."""
    return start_lasting("quick", WHISPER_ENGINE="fake", WHISPER_SPEAKER_MODEL="fake")


@pytest.fixture(scope="session")
def keyed(start_lasting: Start) -> LiveService:
    """As `quick`, for holders of a key only, and with uploads of 1 MB at most; called by anna."""
    keys = ",".join(f"{name}:{key}" for name, key in KEYS.items())
    return start_lasting(
        "keyed", key=KEYS["anna"], WHISPER_ENGINE="fake", WHISPER_API_KEYS=keys, WHISPER_MAX_UPLOAD_MB="1"
    )


@pytest.fixture(scope="session")
def slow(start_lasting: Start) -> LiveService:
    """One job of a kind at a time, 3 s for each window, and waiting clients are sent away after 2 s."""
    return start_lasting(
        "slow",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="3",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_INTERACTIVE_SLOTS="1",
        WHISPER_BATCH_SLOTS="1",
        WHISPER_SYNC_TIMEOUT="2",
    )


@pytest.fixture(scope="session")
def talk() -> speech.Recording:
    """Speech of about 78 s with known words: several windows."""
    return speech.recording(1.25)


@pytest.fixture(scope="session")
def talk_file(talk: speech.Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.write(tmp_path_factory.mktemp("talk") / "talk.flac", talk.samples)


@pytest.fixture(scope="session")
def long_file(talk: speech.Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The talk four times over: more than five minutes."""
    return media.write(tmp_path_factory.mktemp("long") / "long.flac", np.tile(talk.samples, 4))


@pytest.fixture(scope="session")
def clip(talk: speech.Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of speech in a small wav."""
    return media.write(tmp_path_factory.mktemp("clip") / "clip.wav", talk.samples[: 3 * speech.SAMPLE_RATE])
