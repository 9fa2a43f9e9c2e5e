"""whisper-asr-webservice's API: the options of its query in our words, and its answers and errors in its own."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api_service import WAV, Running, make_segment, make_transcript, serving
from worker.store.records import JobRequest

pytestmark = pytest.mark.asyncio
TRANSCRIPT = make_transcript(make_segment(0, 0.0, 1.5, " Hello\tthere."), make_segment(1, 2.0, 3.25, " Bye now."))


async def asked(running: Running, query: dict[str, Any], content: bytes = WAV, path: str = "/asr") -> tuple[Any, Any]:
    """The answer, and the job that was made."""
    jobs: list[JobRequest] = []

    def finish(job_id: str) -> None:
        jobs.append(running.store.request(job_id))
        running.finish(job_id, TRANSCRIPT)

    running.then(finish)
    answer = await running.client.post(path, params=query, files={"audio_file": ("a talk.wav", content, "audio/wav")})
    return answer, jobs[0] if jobs else None


async def test_options_of_the_query_are_heeded(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        query = {
            "task": "translate", "language": "de", "initial_prompt": "Grüße", "hotwords": "RQ", "vad_filter": "false",
            "output": "srt", "encode": "true", "word_timestamps": "true", "video_file": "/films/Das Boot.mkv",
        }  # fmt: skip
        _, job = await asked(running, query)
        assert (job.options.task, job.options.language, job.options.prompt) == ("translate", "de", "Grüße")
        assert (job.options.hotwords, job.options.listening.voice_activity) == ("RQ", False)
        assert (job.kind, job.priority, job.filename, job.warnings) == ("sync", "interactive", "Das Boot.mkv", ())


async def test_options_may_stand_in_the_form(tmp_path: Path) -> None:
    """Some clients put them there; the answer has to be what the job was made for."""
    async with serving(tmp_path) as running:
        running.then(lambda job_id: running.finish(job_id, TRANSCRIPT))
        files = {"audio_file": ("a.wav", WAV)}
        answer = await running.client.post("/asr", data={"output": "srt", "language": "de"}, files=files)
        assert answer.text.startswith("1\n00:00:00,000 --> 00:00:01,500\n")
        assert answer.headers["content-disposition"].endswith('.srt"')


@pytest.mark.parametrize(
    ("output", "body"),
    [
        ("txt", "Hello\tthere.\nBye now.\n"),
        ("tsv", "start\tend\ttext\n0\t1500\tHello there.\n2000\t3250\tBye now.\n"),
        ("srt", None),
        ("vtt", None),
    ],
)
async def test_every_output_is_text_with_its_head(tmp_path: Path, output: str, body: str | None) -> None:
    async with serving(tmp_path) as running:
        answer, _ = await asked(running, {"output": output})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="a%20talk.wav.{output}"'
        assert answer.headers["asr-engine"] == "fake"
        assert body in (None, answer.text)
        assert output != "srt" or answer.text.startswith("1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n")


@pytest.mark.parametrize("wanted", [True, False])
async def test_json_is_as_speakr_reads_it(tmp_path: Path, wanted: bool) -> None:
    async with serving(tmp_path) as running:
        answer, _ = await asked(running, {"output": "json", "word_timestamps": str(wanted).lower()})
        assert answer.headers["content-type"].startswith("text/plain")
        found = answer.json()
        assert (found["text"], found["language"]) == (TRANSCRIPT.text, "en")
        first = found["segments"][0]
        assert (first["id"], first["start"], first["end"], first["text"]) == (0, 0.0, 1.5, " Hello\tthere.")
        assert ("words" in first) == wanted
        assert not wanted or first["words"][0]["word"] == " Hello\tthere."


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ({"output": "docx"}, 400, "output"),
        ({"task": "sing"}, 400, "task"),
        ({"language": "xx"}, 400, "xx"),
        ({"encode": "maybe"}, 400, "encode"),
        ({"word_timestamps": "maybe", "output": "json"}, 400, "word_timestamps"),
        ({"vad_filter": "maybe"}, 400, "vad_filter"),
        ({"model": "none-such"}, 404, "none-such"),
    ],
)
async def test_errors_are_in_that_servers_shape(tmp_path: Path, query: dict[str, str], status: int, named: str) -> None:
    async with serving(tmp_path) as running:
        answer = await running.client.post("/asr", params=query, files={"audio_file": WAV})
        assert (answer.status_code, list(answer.json())) == (status, ["detail"])
        assert named in answer.json()["detail"]
        assert running.leftovers() == []


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
async def test_what_is_no_recording_is_refused_in_that_shape(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as running:
        requests: list[dict[str, Any]] = [
            {"files": {"file": WAV}},
            {"files": {"audio_file": b""}},
            {"content": WAV, "headers": {"content-type": "audio/wav"}},
            {"data": {"url": "http://93.184.215.14/a"}},
            {},
        ]
        for request in requests:
            answer = await running.client.post(path, **request)
            assert (answer.status_code, "audio_file" in answer.json()["detail"] or request.get("files")) != (200, False)
            assert answer.status_code == 400
        assert running.leftovers() == []


@pytest.mark.parametrize("code", ["unsupported_media", "out_of_memory"])
async def test_a_job_that_fails_never_answers_200(tmp_path: Path, code: str) -> None:
    async with serving(tmp_path) as running:
        running.then(lambda job_id: running.fail(job_id, code, "It cannot be."))
        answer = await running.client.post("/asr", files={"audio_file": WAV})
        assert answer.status_code == (400 if code == "unsupported_media" else 500)
        assert answer.json() == {"detail": "It cannot be."}


async def test_it_waits_longer_than_others_may(tmp_path: Path) -> None:
    async with serving(tmp_path, sync_timeout=0.01) as running:
        answer, _ = await asked(running, {})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
async def test_bare_samples_get_a_header_and_files_keep_theirs(tmp_path: Path, path: str) -> None:
    samples = bytes(range(256)) * 125
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(samples)
    sent: list[bytes] = []
    async with serving(tmp_path) as running:
        for content, encode in ((samples, "false"), (samples, "true"), (file.getvalue(), "false")):

            def finish(job_id: str) -> None:
                sent.append(running.store.source(job_id).read_bytes())
                running.finish(job_id, TRANSCRIPT)

            running.then(finish)
            await running.client.post(f"{path}?encode={encode}", files={"audio_file": ("audio_file", content)})
    assert (len(sent[0]), sent[0][:4], sent[0][44:]) == (44 + len(samples), b"RIFF", samples)
    assert sent[1:] == [samples, file.getvalue()]


async def test_a_language_is_all_that_is_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        answer, job = await asked(running, {}, path="/detect-language")
        assert answer.json() == {"detected_language": "english", "language_code": "en", "confidence": 0.98}
        assert job.options.only_language
        assert not job.options.words


async def test_options_nobody_reads_are_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        _, job = await asked(running, {"beam_size": "5"})
        assert "'beam_size'" in job.warnings[0].message


async def test_what_speakr_always_sends_is_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        query = {"encode": "true", "task": "transcribe", "output": "json", "diarize": "true",
                 "enable_diarization": "true", "min_speakers": "2", "return_speaker_embeddings": "true"}  # fmt: skip
        answer, _ = await asked(running, query)
        assert answer.status_code == 200, answer.text
