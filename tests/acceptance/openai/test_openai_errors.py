"""Every error class of the official SDK, raised by what provokes it, with code, type and param, and without a retry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests import media
from tests.acceptance.live import LiveService, until
from tests.acceptance.sdk import KINDS, Kind, call, transcribe
from tests.services import Start

BAD_REQUESTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "language": ({"language": "xx"}, "invalid_value", "language"),
    "temperature": ({"temperature": 1.5}, "invalid_value", "temperature"),
    "format": ({"response_format": "odt"}, "invalid_value", "response_format"),
    "granularity": (
        {"response_format": "verbose_json", "timestamp_granularities": ["sentence"]},
        "invalid_value",
        "timestamp_granularities",
    ),
    "granularity of json": ({"timestamp_granularities": ["word"]}, "invalid_value", "timestamp_granularities"),
    "include": ({"include": ["everything"]}, "invalid_value", "include"),
    "known speakers": (
        {"response_format": "diarized_json", "known_speaker_names": ["Anna"], "known_speaker_references": []},
        "invalid_value",
        "known_speaker_references",
    ),
    "no audio": ({"file": b"this is no audio, " * 50}, "unsupported_media", "file"),
    "empty": ({"file": b""}, "empty_file", "file"),
}


def assert_raises(
    error_class: type[openai.APIStatusError],
    kind: Kind,
    service: LiveService,
    method: Callable[[Any], Any],
    expected: tuple[int, str, str | None],
    **options: Any,
) -> str:
    """The SDK raises exactly this class with (status, code, param), without having tried twice; the message."""
    sent: list[httpx.Request] = []
    with pytest.raises(openai.APIStatusError) as caught:
        call(kind, service, method, sent=sent, **options)
    error = caught.value
    assert type(error) is error_class
    assert (error.status_code, error.code, error.param) == expected
    assert error.type == ("server_error" if error.status_code >= 500 else "invalid_request_error")
    assert error.request_id
    assert error.request_id.startswith("req_")
    assert len(sent) == 1, "the SDK sent the recording again"
    assert isinstance(error.body, dict)
    message: str = error.body["message"]
    assert len(message) > 20
    return message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD_REQUESTS)
@pytest.mark.fault(35)
def test_400_bad_request(quick: LiveService, clip: Path, kind: Kind, name: str) -> None:
    options, code, param = BAD_REQUESTS[name]
    assert_raises(openai.BadRequestError, kind, quick, transcribe(clip, **options), (400, code, param))


@pytest.mark.parametrize("kind", KINDS)
def test_401_wrong_key(keyed: LiveService, clip: Path, kind: Kind) -> None:
    expected = (401, "invalid_api_key", None)
    message = assert_raises(
        openai.AuthenticationError, kind, keyed, transcribe(clip), expected, api_key="sk-of-somebody-else"
    )
    assert "WHISPER_API_KEYS" in message
    assert_raises(openai.AuthenticationError, kind, keyed, lambda client: client.models.list(), expected, api_key="no")


@pytest.mark.parametrize("kind", KINDS)
def test_403_a_web_page_of_another_site(quick: LiveService, clip: Path, kind: Kind) -> None:
    headers = {"Origin": "https://example.com"}
    expected = (403, "origin_not_allowed", None)
    message = assert_raises(
        openai.PermissionDeniedError, kind, quick, transcribe(clip), expected, default_headers=headers
    )
    assert "WHISPER_CORS_ORIGINS=https://example.com" in message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault(34)
def test_404_unknown_model(quick: LiveService, clip: Path, kind: Kind) -> None:
    expected = (404, "model_not_found", "model")
    message = assert_raises(openai.NotFoundError, kind, quick, transcribe(clip, model="large-v9"), expected)
    assert "'base'" in message
    assert_raises(openai.NotFoundError, kind, quick, lambda client: client.models.retrieve("large-v9"), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_409_canceled_by_somebody_while_the_client_waits(slow: LiveService, clip: Path, kind: Kind) -> None:
    before = slow.job_ids()

    def cancel() -> None:
        [job_id] = until(lambda: slow.job_ids() - before, "the job is there")
        assert slow.post(f"/v1/jobs/{job_id}/cancel").status_code == 200

    canceler = threading.Thread(target=cancel)
    canceler.start()
    try:
        assert_raises(openai.ConflictError, kind, slow, transcribe(clip), (409, "canceled", None))
    finally:
        canceler.join()


@pytest.mark.parametrize("kind", KINDS)
def test_413_too_large(keyed: LiveService, clip: Path, kind: Kind) -> None:
    too_large = transcribe(clip, file=bytes(1_200_000))
    message = assert_raises(openai.APIStatusError, kind, keyed, too_large, (413, "file_too_large", "file"))
    assert "1048576" in message


@pytest.mark.parametrize("kind", KINDS)
def test_422_video_without_sound(quick: LiveService, tmp_path: Path, kind: Kind) -> None:
    film = media.write_silent_film(tmp_path / "film.mp4")
    expected = (422, "no_audio_stream", "file")
    assert_raises(openai.UnprocessableEntityError, kind, quick, transcribe(film), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_504_past_the_time_limit_the_job_is_named_and_goes_on(slow: LiveService, clip: Path, kind: Kind) -> None:
    before = slow.job_ids()
    expected = (504, "sync_timeout", None)
    message = assert_raises(openai.InternalServerError, kind, slow, transcribe(clip), expected, max_retries=2)
    assert "WHISPER_SYNC_TIMEOUT" in message
    [job_id] = slow.job_ids() - before
    assert job_id in message
    assert slow.ended(job_id)["status"] == "finished"
    assert slow.get(f"/v1/jobs/{job_id}/transcript").json()["text"] == "w0.0 w0.1 w0.2"


def test_503_the_server_stops_and_the_recording_is_not_lost(start_service: Start, talk_file: Path) -> None:
    service = start_service("stopping", WHISPER_ENGINE="fake", WHISPER_MODEL="1", WHISPER_LANES="1")
    raised: list[openai.APIStatusError] = []

    def ask() -> None:
        with pytest.raises(openai.InternalServerError) as caught:
            call("sync", service, transcribe(talk_file, model="1"), max_retries=0)
        raised.append(caught.value)

    client = threading.Thread(target=ask)
    client.start()
    [job_id] = until(service.job_ids, "the job is there")
    service.in_state(job_id, "started")
    service.stop()
    client.join()
    [error] = raised
    assert (error.status_code, error.code, error.type) == (503, "shutting_down", "server_error")
    assert job_id in str(error)
    assert int(error.response.headers["retry-after"]) >= 1
    service.start()
    assert service.ended(job_id)["status"] == "finished"
