"""Correcting transcripts over HTTP: what is answered, who is told, and what every reader gets from then on."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.streaming.owner_stream import watch_jobs
from engines.transcript import Speaker
from tests.unit.api_service import Running, assert_error, make_segment, make_transcript, serving
from worker.runtime.file_lock import try_lock
from worker.store.edits import edits
from worker.store.local import record_files
from worker.store.records import Diarization, JobRequest, Outcome, Webhook

pytestmark = pytest.mark.asyncio
MATCH = {"if-match": '"0"'}
SAID = (make_segment(0, 0.0, 3.0, " Good mourning and"), make_segment(1, 3.5, 6.0, " welcome two all."))


def finished(running: Running, **changes: Any) -> JobRequest:
    job = running.add_job(**changes)
    running.finish(job.id, make_transcript(*SAID))
    return job


async def correct(
    running: Running, job: JobRequest, *segments: dict[str, Any], headers: dict[str, str] = MATCH
) -> httpx.Response:
    return await running.client.patch(
        f"/v1/jobs/{job.id}/transcript", json={"segments": list(segments)}, headers=headers
    )


async def transcript(running: Running, job: JobRequest, **query: str) -> httpx.Response:
    return await running.client.get(f"/v1/jobs/{job.id}/transcript", params=query)


@pytest.mark.parametrize(
    "body",
    [
        b'{"segments": [{"id": 0, "text": "half \xed\xa0\x80"}]}',
        '{"segments": [{"id": 0, "text": "half \\ud800"}]}'.encode("utf-16"),
    ],
)
async def test_halves_of_signs_leave_a_transcript_that_can_be_read(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        answer = await running.client.patch(f"/v1/jobs/{job.id}/transcript", content=body, headers=MATCH)
        assert answer.status_code in (200, 400)
        assert (await transcript(running, job, format="text")).status_code == 200


async def test_the_corrected_segments_are_answered_with_times(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        before = await transcript(running, job, format="verbose_json")
        assert before.headers["etag"] == '"0"'
        answer = await correct(running, job, {"id": 0, "text": "  Good morning\nand "})
        assert (answer.status_code, answer.headers["etag"], answer.json()["revision"]) == (200, '"1"', "1")
        (segment,) = answer.json()["segments"]
        assert (segment["id"], segment["text"], segment["start"], segment["end"]) == (0, " Good morning and", 0.0, 3.0)
        words = [(word["word"], word["start"], word["end"], word["probability"]) for word in segment["words"]]
        assert words == [("Good", 0.0, 1.0, 0.9), ("morning", 1.0, 2.0, 1.0), ("and", 2.0, 3.0, 0.9)]
        query = {"format": "verbose_json", "timestamp_granularities[]": "word"}
        after = await running.client.get(
            f"/v1/jobs/{job.id}/transcript?timestamp_granularities[]=segment", params=query
        )
        job_now = (await running.client.get(f"/v1/jobs/{job.id}")).json()
        assert job_now["edited"] is True
        assert after.headers["etag"] == '"1"'


@pytest.mark.parametrize("name", ["json", "verbose_json", "text", "srt", "vtt", "md", "csv", "tsv"])
async def test_every_format_has_it_and_the_machines_is_there(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        await correct(running, job, {"id": 0, "text": "Good morning and"}, {"id": 1, "text": ""})
        now = await transcript(running, job, format=name)
        assert "morning" in now.text
        assert "mourning" not in now.text
        assert "two all" not in now.text
        original = await transcript(running, job, format=name, original="true")
        assert "mourning" in original.text
        assert "two all" in original.text
        exported = await running.client.get("/v1/jobs/export", params={"ids": job.id, "format": name})
        with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
            assert "morning" in archive.read(archive.namelist()[0]).decode()


async def test_a_segment_without_words_is_in_no_file_and_can_be_put_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        await correct(running, job, {"id": 0, "text": ""})
        assert len((await transcript(running, job, format="csv")).text.strip().splitlines()) == 2
        plain = (await transcript(running, job, format="json", segments="true")).json()
        assert [each["id"] for each in plain["segments"]] == [1]
        left = (await transcript(running, job, format="verbose_json")).json()
        assert [(each["id"], each["text"]) for each in left["segments"]] == [(0, ""), (1, " welcome two all.")]
        assert left["text"] == "welcome two all."
        back = await correct(running, job, {"id": 0, "text": None}, headers={"if-match": '"1"'})
        assert back.json()["segments"][0]["text"] == " Good mourning and"


async def test_a_word_document_has_the_title_and_the_corrected_text(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        await correct(running, job, {"id": 0, "text": "Good morning and"})
        await running.client.patch(f"/v1/jobs/{job.id}", json={"title": "Weekly  <b>"})
        document = await transcript(running, job, format="docx")
        with zipfile.ZipFile(io.BytesIO(document.content)) as archive:
            body = archive.read("word/document.xml").decode()
        assert "morning" in body
        assert "&lt;b&gt;" in body


async def test_two_who_correct_at_once_hear_of_each_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        await correct(running, job, {"id": 0, "text": "First"})
        late = await correct(running, job, {"id": 1, "text": "Second"})
        assert_error(late, 412, "transcript_changed", "If-Match")
        assert late.headers["etag"] == '"1"'
        again = await correct(running, job, {"id": 1, "text": "Second"}, headers={"if-match": late.headers["etag"]})
        assert again.json()["revision"] == "2"
        assert (await transcript(running, job, format="text")).text.strip() == "First Second"
        anyway = await correct(running, job, {"id": 1, "text": None}, headers={"if-match": "*"})
        assert anyway.json()["segments"][0]["text"] == " welcome two all."


async def test_whoever_waits_for_another_in_vain_is_told_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_files, "PATIENCE", 0.0)
    async with serving(tmp_path) as running:
        job = finished(running)
        with open(running.store.source(job.id).parent / record_files.LOCK, "wb") as file:
            assert try_lock(file.fileno())
            for answer in (
                await correct(running, job, {"id": 0, "text": "x"}),
                await running.client.patch(f"/v1/jobs/{job.id}", json={"title": "x"}),
            ):
                assert_error(answer, 503, "transcript_busy", "id")
                assert answer.headers["retry-after"]


async def test_more_than_anybody_says_is_no_correction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MAX_BYTES", 1000)
    async with serving(tmp_path) as running:
        job = finished(running)
        message = assert_error(
            await correct(running, job, {"id": 0, "text": "word " * 100}), 400, "invalid_value", "segments"
        )
        assert "more than" in message
        assert not running.store.transcripts.edits(job.id).segments


async def test_without_a_revision_nothing_is_changed(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        assert_error(
            await correct(running, job, {"id": 0, "text": "x"}, headers={}), 428, "precondition_required", "If-Match"
        )
        for strange in ('"x"', '"-0"', '"9999999999999999999"', "W/"):
            answer = await correct(running, job, {"id": 0, "text": "x"}, headers={"if-match": strange})
            assert answer.status_code == 412
        assert (await running.client.get(f"/v1/jobs/{job.id}")).json()["edited"] is False


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"segments": {}}', b'{"segments": []}', b'{"segments": [7]}', b'{"segments": [{"id": 0}]}',
        b'{"segments": [{"id": "0", "text": "x"}]}', b'{"segments": [{"id": true, "text": "x"}]}',
        b'{"segments": [{"id": 0, "text": 7}]}', b'{"segments": [{"id": 9, "text": "x"}]}',
        b'{"segments": [{"id": 0, "speaker": "Z"}]}', json.dumps({"segments": [{"id": 0, "text": "x" * 10_001}]}),
        b'{"segments": [{"id": -1, "text": "x"}, {"id": 0, "text": "y"}]}',
    ],
)  # fmt: skip
async def test_what_is_no_correction_is_refused(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        answer = await running.client.patch(f"/v1/jobs/{job.id}/transcript", content=body, headers=MATCH)
        assert_error(answer, 400, "invalid_value", "segments")
        assert (await transcript(running, job, format="text")).text.strip() == "Good mourning and welcome two all."


async def test_half_a_sign_is_no_text_that_could_not_be_written(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        body = b'{"segments": [{"id": 0, "text": "a\\ud800\\u0000b"}]}'
        answer = await running.client.patch(f"/v1/jobs/{job.id}/transcript", content=body, headers=MATCH)
        assert answer.json()["segments"][0]["text"] == " a\ufffd b"


async def test_half_a_sign_is_nobody_and_no_language(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        url = f"/v1/jobs/{finished(running).id}"
        nobody = b'{"segments": [{"id": 0, "speaker": "\\ud800"}]}'
        answer = await running.client.patch(f"{url}/transcript", content=nobody, headers=MATCH)
        assert_error(answer, 400, "invalid_value", "segments")
        assert_error(
            await running.client.patch(url, content=b'{"speakers": {"\\uDFFF": "A"}}'), 400, "invalid_value", "speakers"
        )
        headers = {"content-type": "application/json"}
        answer = await running.client.post(f"{url}/retry", content=b'{"language": "\\ud800"}', headers=headers)
        assert_error(answer, 400, "invalid_value", "language")


async def test_there_has_to_be_a_transcript_of_ones_own(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys={"ann": "sk-ann", "ben": "sk-ben"}) as running:
        waits, other = running.add_job(owner="ann"), finished(running, owner="ben")
        ann = {"authorization": "Bearer sk-ann", **MATCH}
        assert_error(await correct(running, waits, {"id": 0, "text": "x"}, headers=ann), 409, "job_not_finished", "id")
        assert_error(await correct(running, other, {"id": 0, "text": "x"}, headers=ann), 404, "job_not_found", "id")


async def test_speakers_are_reassigned_by_their_ids_and_shown_by_their_names(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job(diarization=Diarization())
        speakers = (Speaker("A", 3.0), Speaker("B", 2.0))
        running.store.save_transcript(job.id, make_transcript(*SAID, speakers=speakers))
        running.store.finish(job.id, Outcome("finished", speakers=speakers))
        await running.client.patch(f"/v1/jobs/{job.id}", json={"speakers": {"B": "\u202eBen\u200b"}})
        answer = await correct(running, job, {"id": 0, "speaker": "B"})
        assert answer.json()["segments"][0]["speaker"] == "Ben"
        new = await correct(running, job, {"id": 1, "speaker": "C"}, headers={"if-match": "*"})
        assert new.status_code == 200
        named = await running.client.patch(f"/v1/jobs/{job.id}", json={"speakers": {"C": "Carl"}})
        shown = [(each["id"], each["name"], each["seconds"]) for each in named.json()["speakers"]]
        assert shown == [("A", "A", 3.0), ("B", "Ben", 5.0), ("C", "Carl", 2.5)]
        await correct(running, job, {"id": 1, "speaker": None}, headers={"if-match": "*"})
        await running.client.patch(f"/v1/jobs/{job.id}", json={"speakers": {"A": "Ben", "B": "Ben"}})
        assert "Ben: Good mourning" in (await transcript(running, job, format="text", paragraphs="true")).text


async def test_whoever_follows_their_jobs_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        last = running.service.events.newest()
        await correct(running, job, {"id": 0, "text": "x"})
        told = await anext(aiter(watch_jobs(running.service, "local", last)))
        assert told is not None
        assert (told.name, told.data["id"], told.data["edited"]) == ("job", job.id, True)


@pytest.mark.fault(7)
async def test_a_correction_is_kept_while_redis_is_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = finished(running)
        running.redis_server.connected = False
        assert (await correct(running, job, {"id": 0, "text": "x"})).status_code == 200
        assert (await running.client.patch(f"/v1/jobs/{job.id}", json={"title": "Weekly"})).status_code == 200


class TestTitles:
    async def test_a_job_has_one_whatever_its_state(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as running:
            job = running.add_job()
            sent = {"title": " Weekly\r\n\u202e<script> "}
            answer = (await running.client.patch(f"/v1/jobs/{job.id}", json=sent)).json()
            assert (answer["title"], answer["status"], answer["edited"]) == (
                "Weekly  \u202e<script>",
                "queued",
                False,
            )
            assert (await running.client.get("/v1/jobs")).json()["data"][0] == answer
            for back in (None, "", "  "):
                answer = (await running.client.patch(f"/v1/jobs/{job.id}", json={"title": back})).json()
                assert answer["title"] is None

    @pytest.mark.parametrize("title", [7, ["x"], "x" * 501])
    async def test_it_is_a_short_text(self, tmp_path: Path, title: object) -> None:
        async with serving(tmp_path) as running:
            job = running.add_job()
            answer = await running.client.patch(f"/v1/jobs/{job.id}", json={"title": title})
            assert_error(answer, 400, "invalid_value", "title")

    async def test_a_webhook_that_is_sent_again_has_it_and_the_text(self, tmp_path: Path) -> None:
        from worker.webhooks.message import message

        async with serving(tmp_path) as running:
            job = finished(running, webhook=Webhook("http://8.8.8.8/hook"))
            await correct(running, job, {"id": 0, "text": "Good morning and"})
            await running.client.patch(f"/v1/jobs/{job.id}", json={"title": "Weekly"})
            outcome = running.store.outcome(job.id)
            assert outcome is not None
            edits = running.store.transcripts.edits(job.id)
            sent = json.loads(message(job, outcome, running.store.transcript(job.id), None, edits))["data"]
            assert (sent["title"], sent["edited"], sent["text"]) == (
                "Weekly", True, "Good morning and welcome two all.",
            )  # fmt: skip
