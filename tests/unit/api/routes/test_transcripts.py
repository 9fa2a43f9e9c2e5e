"""Transcripts in every format, under the recording's name, and many of them in a zip."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api_service import WAV, Running, assert_error, make_segment, make_transcript, serving
from worker.store.records import new_job_id

pytestmark = pytest.mark.asyncio
STARTS = {
    "docx": b"PK", "md": b"# talk.wav\n", "csv": b"\xef\xbb\xbfstart,", "tsv": b"start\t", "txt": b"Hello",
    "srt": b"1\n", "vtt": b"WEBVTT", "json": b"{", "verbose_json": b"{", "text": b"Hello",
}  # fmt: skip


def finished(running: Running, *segments: Any, **changes: Any) -> str:
    job = running.add_job(**{"filename": "talk.wav", **changes})
    running.finish(job.id, make_transcript(*segments))
    return job.id


@pytest.mark.parametrize("response_format", STARTS)
async def test_every_format_has_its_type_and_the_recordings_name(tmp_path: Path, response_format: str) -> None:
    async with serving(tmp_path) as running:
        job_id = finished(running)
        answer = await running.client.get(f"/v1/jobs/{job_id}/transcript?format={response_format}")
        assert answer.status_code == 200
        assert answer.content.startswith(STARTS[response_format])
        ending = {"verbose_json": "json", "text": "txt"}.get(response_format, response_format)
        assert f'filename="talk.{ending}"' in answer.headers["content-disposition"]


async def test_the_layout_is_the_queries_or_the_jobs(tmp_path: Path) -> None:
    said = make_segment(0, 0.0, 5.0, " When the rain came, we all went home again.")
    async with serving(tmp_path) as running:
        sent = await running.client.post(
            "/v1/jobs", data={"response_format": "srt", "max_line_width": "20"}, files={"file": ("talk.wav", WAV)}
        )
        path = f"/v1/jobs/{sent.json()['id']}/transcript"
        running.finish(sent.json()["id"], make_transcript(said))
        as_sent, wide = (await running.client.get(path)).text, await running.client.get(f"{path}?max_line_width=60")
        assert "When the rain came,\n\n2" in as_sent
        assert "When the rain came, we all went home again." in wide.text
        assert "<u>rain</u>" in (await running.client.get(f"{path}?highlight_words=true")).text
        parts = (await running.client.get(f"{path}?format=json&segments=true")).json()["segments"]
        assert parts == [{"id": 0, "start": 0.0, "end": 5.0, "text": said.text.strip()}]
        assert_error(await running.client.get(f"{path}?max_line_width=0"), 400, "invalid_value", "max_line_width")


async def test_a_part_of_a_transcript_is_what_was_said_in_that_time(tmp_path: Path) -> None:
    segments = [make_segment(at, 10.0 * at, 10.0 * at + 9, f" Part {at}.") for at in range(4)]
    async with serving(tmp_path) as running:
        path = f"/v1/jobs/{finished(running, *segments)}/transcript"

        async def part(**query: str) -> str:
            return (await running.client.get(path, params={"format": "text", **query})).text.strip()

        assert await part(start="9", end="30") == "Part 1. Part 2."
        assert await part(start="20") == "Part 2. Part 3."
        assert await part(end="0.5") == "Part 0."
        assert await part(start="500") == ""
        assert (await running.client.get(f"{path}?format=srt&start=30")).text.startswith("1\n00:00:30,000 --> ")
        for name, query in (
            ("start", "start=-1"),
            ("end", "start=5&end=5"),
            ("end", "end=soon"),
            ("start", "start=nan"),
        ):
            assert_error(await running.client.get(f"{path}?{query}"), 400, "invalid_value", name)


@pytest.mark.parametrize("response_format", ["docx", "md", "csv", "tsv"])
async def test_openais_route_has_them_too(tmp_path: Path, response_format: str) -> None:
    async with serving(tmp_path) as running:
        running.then(running.finish)
        fields = {"model": "base", "response_format": response_format}
        answer = await running.client.post("/v1/audio/transcriptions", data=fields, files={"file": ("talk.wav", WAV)})
        assert answer.status_code == 200
        assert answer.content.startswith(STARTS[response_format])
        assert answer.headers["content-disposition"] == f'attachment; filename="talk.{response_format}"'


async def test_a_long_transcript_is_compressed(tmp_path: Path) -> None:
    long = [make_segment(at, at, at + 1, " The same words again.") for at in range(300)]
    async with serving(tmp_path) as running:
        job_id = finished(running, *long)
        answer = await running.client.get(f"/v1/jobs/{job_id}/transcript?format=srt")
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.text.count("The same words again.") == 300
        plain = await running.client.get(
            f"/v1/jobs/{job_id}/transcript?format=srt", headers={"accept-encoding": "identity"}
        )
        assert plain.text == answer.text
        assert "content-encoding" not in plain.headers


async def test_many_transcripts_come_as_a_zip(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        names = ("talk.wav", "Talk.mp3", "Größe.m4a")
        ids = [finished(running, make_segment(0, 0.0, 1.0, f" {name}"), filename=name) for name in names]
        answer = await running.client.get("/v1/jobs/export", params={"ids": ",".join(ids), "format": "txt"})
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"] == 'attachment; filename="transcripts.zip"'
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            assert {name: archive.read(name).decode() for name in archive.namelist()} == {
                "talk.txt": "talk.wav\n",
                "Talk (2).txt": "Talk.mp3\n",
                "Größe.txt": "Größe.m4a\n",
            }
        again = await running.client.get(f"/v1/jobs/export?ids[]={ids[0]}&ids[]={ids[0]}&format=docx")
        assert zipfile.ZipFile(io.BytesIO(again.content)).namelist() == ["talk.docx"]


async def test_an_export_is_whole_or_refused_before_it_begins(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        done, other = finished(running), finished(running, owner="ben")
        waiting, failed = running.add_job(), running.add_job()
        running.fail(failed.id, "empty_audio")

        async def export(ids: str, **query: str) -> Any:
            return await running.client.get("/v1/jobs/export", params={"ids": ids, **query})

        assert_error(await export(""), 400, "missing_required_parameter", "ids")
        assert_error(await export(",".join([done] * 1 + [new_job_id()])), 404, "job_not_found", "id")
        assert_error(await export(f"{done},{other}"), 404, "job_not_found", "id")
        message = assert_error(await export(f"{done},{waiting.id},{failed.id}"), 409, "job_not_finished", "ids")
        assert f"{waiting.id} (not ended), {failed.id} (failed)" in message
        assert_error(await export(done, format="odt"), 400, "invalid_value", "format")
        assert_error(await export(",".join(new_job_id() for _ in range(201))), 400, "invalid_value", "ids")


async def test_a_job_deleted_in_the_midst_of_an_export_is_named(tmp_path: Path) -> None:
    from api.answers.archive import zipped
    from api.answers.formats import render

    async with serving(tmp_path) as running:
        jobs = [running.store.request(finished(running)) for _ in range(2)]
        pieces = zipped(jobs, lambda job: render(running.store.transcript(job.id), "srt"))
        begun = next(pieces)
        running.service.jobs.delete(jobs[1])
        with zipfile.ZipFile(io.BytesIO(begun + b"".join(pieces))) as archive:
            assert archive.namelist() == ["talk.srt", f"{jobs[1].id}.missing.txt"]
