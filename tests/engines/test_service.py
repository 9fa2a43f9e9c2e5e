"""The whole service with each engine: a waiting call, a job, and a model that cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engines.registry import LIBRARIES, is_installed
from tests.acceptance.live import LiveService
from tests.accuracy import normalised
from tests.conftest import Sample
from tests.services import Start
from tests.weights import converted, random_model

ENGINES = [name for name in LIBRARIES if name != "lightning-whisper-mlx"]  # which is mlx-whisper by another name
WITHOUT_MEANING = ("mlx-whisper",)  # slow on a CPU: random weights, so no words to compare


def test_no_engine_is_left_out() -> None:
    """This environment is there to test all of them."""
    assert all(is_installed(name) for name in LIBRARIES)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in WITHOUT_MEANING else ()) for name in ENGINES],
)
def live(request: pytest.FixtureRequest, start_service: Start, tiny_en_model: Path) -> Iterator[LiveService]:
    name = request.param
    if name in WITHOUT_MEANING:
        weights = random_model("mlx-whisper", tiny_en_model)
    else:
        weights = converted(name, tiny_en_model, "tiny.en")
    service = start_service(name, WHISPER_ENGINE=name, WHISPER_MODEL=str(weights), WHISPER_DEVICE="cpu")
    yield service
    service.stop()


def engine_of(live: LiveService) -> str:
    return live.settings["WHISPER_ENGINE"]


def test_it_is_ready_with_the_engine_that_was_asked_for(live: LiveService) -> None:
    worker = live.get("/health/ready").json()["checks"]["worker"]
    assert f" {engine_of(live)} cpu" in worker["detail"]


def test_a_waiting_call_is_answered(live: LiveService, sample: Sample) -> None:
    """A temperature of the caller's own keeps the ladder out of it, which random weights would climb to its top."""
    fields = {"temperature": "0.4"} if engine_of(live) in WITHOUT_MEANING else {}
    response = live.transcribe(
        sample.path,
        language="en",
        response_format="verbose_json",
        **{"timestamp_granularities[]": ["word", "segment"]},
        **fields,
    )
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["language"] == "english"
    starts = [word["start"] for word in body["words"]]
    assert starts == sorted(starts)
    assert body["words"][-1]["end"] <= body["duration"]
    if engine_of(live) not in WITHOUT_MEANING:
        assert normalised(body["text"]) == normalised(sample.text)


def test_a_job_is_finished_and_has_subtitles(live: LiveService, sample: Sample) -> None:
    fields = {"temperature": "0.4"} if engine_of(live) in WITHOUT_MEANING else {"prompt": "Anna, London"}
    job = live.ended(live.submit(sample.path, language="en", **fields))
    assert job["status"] == "finished", job
    subtitles = live.get(f"/v1/jobs/{job['id']}/transcript", format="srt")
    assert subtitles.status_code == 200
    assert "00:00:0" in subtitles.text
    if engine_of(live) not in WITHOUT_MEANING:
        assert "London" in subtitles.text


def test_a_running_job_is_canceled(live: LiveService, long_file: Path) -> None:
    job_id = live.submit(long_file)
    live.in_state(job_id, "started")
    assert live.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    assert live.ended(job_id)["status"] == "canceled"


class _Unable(LiveService):
    """Counts as started when it says that its model could not be loaded."""

    def is_ready(self) -> bool:
        try:
            return "could not be loaded" in self.get("/health/ready").text
        except httpx.TransportError:
            return False


@pytest.mark.parametrize("name", ["whisper-cpp"])  # C++ of its own; test_engines.py shows that all refuse such a file
def test_a_model_that_cannot_be_loaded_leaves_the_service_up_and_saying_why(name: str, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.bin"
    garbage.write_bytes(bytes(range(256)) * 1000)
    service = _Unable(
        tmp_path / "service", {"WHISPER_ENGINE": name, "WHISPER_MODEL": str(garbage), "WHISPER_DEVICE": "cpu"}
    )
    service.start()
    try:
        detail = service.get("/health/ready").json()["checks"]["worker"]["detail"]
        assert "garbage.bin" in detail
        assert service.get("/health").status_code == 200
    finally:
        service.stop()


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"WHISPER_ENGINE": "faster-whisper", "WHISPER_DEVICE": "mps"}, "WHISPER_ENGINE=mlx-whisper"),
        ({"WHISPER_ENGINE": "mlx-whisper", "WHISPER_DEVICE": "cuda"}, "WHISPER_ENGINE=faster-whisper"),
    ],
    ids=["mps", "cuda"],  # in which no engine's name leaves a case out of `-k`
)
def test_an_impossible_wish_is_answered_with_a_possible_one(
    settings: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    service = _Unable(tmp_path / "service", settings)
    service.start()
    try:
        assert remedy in service.get("/health/ready").json()["checks"]["worker"]["detail"]
    finally:
        service.stop()
