"""Several recordings at once: nobody waits for a long one, and nobody gets another's words."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import media, speech
from tests.acceptance.live import LiveService, until
from tests.acceptance.subtitles import read_srt, read_vtt
from tests.accuracy import normalised, word_error_rate
from tests.conftest import Sample


@pytest.fixture
def long_job(service: LiveService, long_file: Path) -> Iterator[str]:
    """A long recording that is being transcribed."""
    job_id = service.submit(long_file)
    until(lambda: service.job(job_id)["processed_seconds"] > 0, "the first window is done")
    yield job_id
    service.post(f"/v1/jobs/{job_id}/cancel")


def test_a_clip_is_answered_while_a_long_recording_runs(service: LiveService, long_job: str, sample: Sample) -> None:
    before = service.job(long_job)
    assert before["total_seconds"] > 300
    answer = service.transcribe(sample.path)
    assert normalised(answer.json()["text"]) == normalised(sample.text)
    assert service.get("/health").json() == {"status": "ok"}
    after = service.job(long_job)
    assert after["status"] == "started"
    assert before["progress"] <= after["progress"] < 1
    until(lambda: service.job(long_job)["progress"] > after["progress"], "the long one goes on")


@pytest.mark.slow
def test_two_clips_at_once_get_their_own_words(
    service: LiveService, talk: speech.Recording, sample: Sample, tmp_path: Path
) -> None:
    """Takes over 10 s on two cores: real weights for two recordings. Slow for them; a dozen at once are below."""
    spoken = [row for row in talk.sentences if row.end < 20]
    other = media.write(tmp_path / "other.wav", talk.samples[: int((spoken[-1].end + 0.3) * speech.SAMPLE_RATE)])
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda path: service.transcribe(path).json()["text"], [sample.path, other])
    assert normalised(first) == normalised(sample.text)
    assert word_error_rate(" ".join(row.text for row in spoken), second) < 0.1


def test_a_dozen_clients_at_once_get_each_their_own(quick: LiveService, talk: speech.Recording, tmp_path: Path) -> None:
    """Twelve recordings of different lengths, three times as many as there are slots for waiting clients."""
    lengths = [2 * number for number in range(1, 13)]
    paths = [media.write(tmp_path / f"{s}.wav", talk.samples[: s * speech.SAMPLE_RATE]) for s in lengths]
    alone = [quick.transcribe(path).json() for path in paths]
    assert len({answer["text"] for answer in alone}) == len(paths)
    with ThreadPoolExecutor(len(paths)) as pool:
        together = list(pool.map(lambda path: quick.transcribe(path).json(), paths))
    assert together == alone


@pytest.mark.parametrize("kind", ["digital", "of a room"])
@pytest.mark.fault(28)
def test_silence_has_no_words(service: LiveService, tmp_path: Path, kind: str) -> None:
    samples = speech.silence(30) if kind == "digital" else speech.noise(30, 3e-4)
    path = media.write(tmp_path / "silence.wav", samples)
    answer = service.transcribe(path)
    assert (answer.status_code, answer.json()["text"]) == (200, "")
    assert answer.json()["usage"]["seconds"] == 30
    assert service.transcribe(path, response_format="text").text == ""
    assert read_srt(service.transcribe(path, response_format="srt").text) == []
    vtt = service.transcribe(path, response_format="vtt").text
    assert vtt == "WEBVTT\n\n"
    assert read_vtt(vtt) == []
    verbose = service.transcribe(path, response_format="verbose_json").json()
    assert (verbose["text"], verbose["segments"], verbose["duration"]) == ("", [], 30.0)
