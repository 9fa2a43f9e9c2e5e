"""whisper.cpp's server: its form in our words, and its answers and errors in its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api_service import WAV, Running, make_segment, make_transcript, serving
from worker.store.records import JobRequest

pytestmark = pytest.mark.asyncio
TRANSCRIPT = make_transcript(make_segment(0, 0.0, 1.5, " Hello there."), make_segment(1, 2.0, 3.25, " Bye now."))


async def asked(running: Running, **fields: str) -> tuple[Any, JobRequest]:
    jobs: list[JobRequest] = []

    def finish(job_id: str) -> None:
        jobs.append(running.store.request(job_id))
        running.finish(job_id, TRANSCRIPT)

    running.then(finish)
    answer = await running.client.post("/inference", data=fields, files={"file": ("a.wav", WAV)})
    assert answer.status_code == 200, answer.text
    return answer, jobs[0]


async def test_the_form_is_heeded_and_what_only_that_engine_knows_is_ignored(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        _, job = await asked(
            running, temperature="0.2", temperature_inc="0.2", language="de", prompt="Grüße", translate="true",
            beam_size="5", no_timestamps="false", response_format="srt",
        )  # fmt: skip
        assert (job.options.temperature, job.options.language, job.options.prompt) == (0.2, "de", "Grüße")
        assert (job.options.task, job.response_format, job.priority) == ("translate", "srt", "interactive")


async def test_answers_are_as_that_server_has_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        text = " Hello there.\n Bye now.\n"
        answer, _ = await asked(running)
        assert answer.json() == {"text": text}
        answer, _ = await asked(running, response_format="text")
        assert (answer.text, answer.headers["content-type"]) == (text, "text/plain; charset=utf-8")
        answer, _ = await asked(running, response_format="srt")
        assert answer.text.startswith("1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n")
        answer, _ = await asked(running, response_format="vtt")
        assert answer.text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n")
        answer, job = await asked(running, response_format="verbose_json")
        found = answer.json()
        assert (found["task"], found["language"], found["detected_language"]) == ("transcribe", "english", "english")
        assert (found["duration"], found["text"], found["language_probabilities"]) == (8.47, text, {"en": 0.98})
        assert found["segments"][1]["words"][0] == {
            "word": " Bye", "start": 2.0, "end": 2.625, "t_dtw": -1, "probability": 0.9,
        }  # fmt: skip
        assert job.options.words


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"response_format": "docx"}, "response_format"), ({"temperature": "hot"}, "temperature"),
     ({"language": "xx"}, "xx"), ({"model": "none-such"}, "none-such")],
)  # fmt: skip
async def test_errors_are_in_that_servers_shape(tmp_path: Path, fields: dict[str, str], named: str) -> None:
    async with serving(tmp_path) as running:
        answer = await running.client.post("/inference", data=fields, files={"file": WAV})
        assert answer.status_code in (400, 404)
        assert list(answer.json()) == ["error"]
        assert named in answer.json()["error"]
        answer = await running.client.post("/inference", files={"audio": WAV})
        assert (answer.status_code, "'file'" in answer.json()["error"]) == (400, True)
        assert running.leftovers() == []


async def test_it_waits_longer_than_others_may(tmp_path: Path) -> None:
    async with serving(tmp_path, sync_timeout=0.01) as running:
        await asked(running)
