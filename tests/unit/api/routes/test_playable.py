"""`?playable=true`: a better copy if there can be one, made once, and in every other case the recording itself."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from api.answers import playable
from tests import media
from tests.unit.api_service import WAV, assert_error, make_request, make_transcript, serving
from worker.store.records import Outcome

pytestmark = pytest.mark.asyncio


async def test_a_copy_is_made_once_and_served_by_ranges(tmp_path: Path) -> None:
    whole = media.write(tmp_path / "a.mp3", (0.2 * np.sin(np.arange(16_000) / 10)).astype(np.float32)).read_bytes()
    bare = whole.replace(b"Info", b"\0\0\0\0").replace(b"Xing", b"\0\0\0\0")
    async with serving(tmp_path / "data") as running:
        job = running.add_job(filename="a.mp3")
        running.store.source(job.id).write_bytes(bare)
        running.finish(job.id)
        url = f"/v1/jobs/{job.id}/audio"
        first, second = await asyncio.gather(*(running.client.get(f"{url}?playable=true") for _ in range(2)))
        assert first.content == second.content == running.store.playable_target(job.id).read_bytes()
        assert b"Info" in first.content or b"Xing" in first.content
        assert first.headers["content-type"] == "audio/mpeg"
        assert (await running.client.get(url)).content == bare
        made_at = running.store.playable_target(job.id).stat().st_mtime_ns
        part = await running.client.get(f"{url}?playable=true", headers={"range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, first.content[:10])
        assert running.store.playable_target(job.id).stat().st_mtime_ns == made_at
        running.store.drop_source(job.id)
        assert not running.store.playable_target(job.id).exists()
        assert_error(await running.client.get(f"{url}?playable=true"), 410, "audio_deleted", "id")


async def test_what_cannot_be_read_is_served_as_it_is_and_not_tried_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        running.finish(job.id)
        answer = await running.client.get(f"/v1/jobs/{job.id}/audio?playable=true")
        assert (answer.status_code, answer.content) == (200, WAV)
        assert running.store.playable_target(job.id).read_bytes() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
@pytest.mark.parametrize(("does", "is_tried_again"), [("exit 1", True), ("kill -TERM $$", True), ("kill -9 $$", False)])
async def test_only_what_the_recording_brought_about_is_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, is_tried_again: bool
) -> None:
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\ntouch "$4.$$.part"\n{does}\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    async with serving(tmp_path / "data") as running:
        job = running.add_job()
        running.finish(job.id)
        answer = await running.client.get(f"/v1/jobs/{job.id}/audio?playable=true")
        assert (answer.status_code, answer.content) == (200, WAV)
        left = [path.name for path in running.store.source(job.id).parent.glob("playable*")]
        assert left == ([] if is_tried_again else ["playable"])


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
async def test_nobody_waits_for_the_copies_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, gate = tmp_path / "python", tmp_path / "gate"
    wait = f'tries=0; until [ -e "{gate}" ] || [ $tries -gt 2000 ]; do tries=$((tries + 1)); sleep 0.02; done'
    program.write_text(f'#!/bin/sh\ncase $(cat "$3") in long*) {wait};; esac\nprintf copy >"$4"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    keys = {"ann": "sk-ann", "ben": "sk-ben"}
    async with serving(tmp_path / "data", api_keys=keys) as running:

        async def played(job_id: str, owner: str) -> bytes:
            headers = {"authorization": f"Bearer sk-{owner}"}
            answer = await running.client.get(f"/v1/jobs/{job_id}/audio?playable=true", headers=headers)
            return answer.content

        jobs = [running.add_job(owner=owner) for owner in ("ann", "ann", "ben")]
        for job, content in zip(jobs, (b"long", b"long", b"short"), strict=True):
            running.store.source(job.id).write_bytes(content)
            running.finish(job.id)
        of_ann = [asyncio.create_task(played(job.id, "ann")) for job in jobs[:2]]
        async with asyncio.timeout(30):
            while len(running.service.playable._making) < 2:
                await asyncio.sleep(0.005)
            assert await played(jobs[2].id, "ben") == b"copy"
            gate.touch()
            assert await asyncio.gather(*of_ann) == [b"copy"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
async def test_the_oldest_copies_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\nprintf copy >"$4"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(playable, "MAX_BYTES", len(b"copy") * 2)
    async with serving(tmp_path / "data") as running:
        copies = []
        for age in (3, 2, 1):
            job = running.add_job()
            running.finish(job.id)
            answer = await running.client.get(f"/v1/jobs/{job.id}/audio?playable=true")
            assert answer.content == b"copy"
            copies.append(running.store.playable_target(job.id))
            os.utime(copies[-1], (1_000_000 - age, 1_000_000 - age))
        assert [copy.exists() for copy in copies] == [False, True, True]


async def test_of_a_job_that_runs_there_is_the_recording(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        answer = await running.client.get(f"/v1/jobs/{job.id}/audio?playable=true")
        assert answer.content == WAV
        assert not running.store.playable_target(job.id).exists()


async def test_a_full_disk_has_no_room_for_copies(tmp_path: Path) -> None:
    async with serving(tmp_path, min_free_disk_mb=10**9) as running:
        upload = running.store.receive()
        upload.write(WAV)
        upload.commit(make_request(upload.id))
        running.store.save_transcript(upload.id, make_transcript())
        running.store.finish(upload.id, Outcome("finished"))
        answer = await running.client.get(f"/v1/jobs/{upload.id}/audio?playable=true")
        assert answer.content == WAV
        assert not running.store.playable_target(upload.id).exists()
