"""`stream=true`: text as it comes, in OpenAI's events, for the official SDK and for whoever reads lines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests import media
from tests.acceptance.live import LiveService, until
from tests.acceptance.sdk import KINDS, Kind, async_client, sync_client
from tests.accuracy import word_error_rate
from tests.speech import Recording, silence


def read(kind: Kind, service: LiveService, path: Path, **options: Any) -> list[Any]:
    """All events, as the SDK gives them."""
    options = {"model": "whisper-1", "file": path, "stream": True, **options}
    if kind == "sync":
        with sync_client(service) as client:
            return list(client.audio.transcriptions.create(**options))

    async def run() -> list[Any]:
        async with async_client(service) as client:
            return [event async for event in await client.audio.transcriptions.create(**options)]

    return asyncio.run(run())


@pytest.mark.slow
def test_the_sdk_reads_the_text_as_it_comes(service: LiveService, talk_file: Path, talk: Recording) -> None:
    """Takes over 10 s: real weights write down 78 s of speech. Slow: real weights for a minute of speech."""
    *deltas, done = read("sync", service, talk_file)
    assert len(deltas) >= 3
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert word_error_rate(talk.text, done.text) < 0.05
    assert done.usage.type == "tokens"
    assert done.usage.output_tokens > 100
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


def test_sync_and_async_clients_read_the_same_and_what_is_answered_whole(quick: LiveService, talk_file: Path) -> None:
    *deltas, done = read("async", quick, talk_file)
    assert len(deltas) >= 3
    assert [*deltas, done] == read("sync", quick, talk_file)
    assert quick.transcribe(talk_file).json()["text"] == done.text


def test_the_first_text_comes_long_before_the_last(slow: LiveService, talk_file: Path) -> None:
    """Three seconds a window: the first text is there while the others are still to be decoded."""
    arrived: list[float] = []
    with sync_client(slow) as client:
        begun = time.monotonic()
        for _ in client.audio.transcriptions.create(model="whisper-1", file=talk_file, stream=True):
            arrived.append(time.monotonic() - begun)
    assert arrived[0] < arrived[-1] - 2
    assert arrived[-1] > 2, "a stream is not cut off by WHISPER_SYNC_TIMEOUT, which is 2 s here"


def lines(service: LiveService, path: Path, **fields: str) -> Generator[str, None, None]:
    form = {"model": "whisper-1", "stream": "true", **fields}
    with (
        open(path, "rb") as file,
        service.http() as client,
        client.stream("POST", "/v1/audio/transcriptions", data=form, files={"file": (path.name, file)}) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "no-cache" in response.headers["cache-control"]
        assert response.headers["x-accel-buffering"] == "no"
        yield from response.iter_lines()


@pytest.mark.parametrize("response_format", ["json", "text"])
def test_on_the_wire_it_is_data_lines_and_done(quick: LiveService, talk_file: Path, response_format: str) -> None:
    content = [line for line in lines(quick, talk_file, response_format=response_format) if line]
    assert all(line.startswith("data: ") for line in content)
    assert content[-1] == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in content[:-1]]
    assert [event["type"].rpartition(".")[2] for event in events] == ["delta"] * (len(events) - 1) + ["done"]


def test_silence_is_a_done_without_text(quick: LiveService, tmp_path: Path) -> None:
    (done,) = read("sync", quick, media.write(tmp_path / "silence.wav", silence(3)))
    assert (done.type, done.text) == ("transcript.text.done", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_that_cannot_be_read_raises(kind: Kind, quick: LiveService, tmp_path: Path) -> None:
    with pytest.raises(openai.APIError, match="decoded as audio") as caught:
        read(kind, quick, media.random_bytes(tmp_path / "random.mp3"))
    assert caught.value.code == "unsupported_media"


def test_what_is_wrong_with_the_request_is_an_error_before_the_stream(quick: LiveService, clip: Path) -> None:
    with pytest.raises(openai.NotFoundError):
        read("sync", quick, clip, model="huge")


def test_a_job_canceled_in_mid_stream_raises(slow: LiveService, talk_file: Path) -> None:
    before = slow.job_ids()
    with sync_client(slow) as client:
        events = client.audio.transcriptions.create(model="whisper-1", file=talk_file, stream=True)
        first = next(iter(events))
        assert first.type == "transcript.text.delta"
        (job_id,) = slow.job_ids() - before
        slow.post(f"/v1/jobs/{job_id}/cancel")
        with pytest.raises(openai.APIError, match="canceled"):
            list(events)


def test_a_stream_that_waits_shows_life_and_one_whose_client_leaves_is_canceled(
    slow: LiveService, talk_file: Path, long_file: Path
) -> None:
    """Takes over 10 s: so long a stream may be silent before it shows life."""
    before = slow.job_ids()
    running = slow.submit(long_file, priority="interactive")
    slow.in_state(running, "started")
    waiting = lines(slow, talk_file)
    assert next(waiting) == ": ping"
    (job_id,) = slow.job_ids() - before - {running}
    waiting.close()
    slow.post(f"/v1/jobs/{running}/cancel")
    until(lambda: slow.job(job_id)["status"] in ("canceled", "finished"), "the job of the client that left ends", 60)
