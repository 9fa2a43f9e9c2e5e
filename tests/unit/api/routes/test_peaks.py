"""The waveform of a recording: there once the job has finished, and the owner's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.api_service import assert_error, serving
from worker.store.records import Waveform

pytestmark = pytest.mark.asyncio


async def test_it_is_answered_as_the_worker_wrote_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        answer = await running.client.get(f"/v1/jobs/{job.id}/peaks")
        assert_error(answer, 404, "peaks_not_found", "id")
        running.store.save_waveform(job.id, Waveform(8.47, (0, 128, 255)))
        running.finish(job.id)
        running.store.drop_source(job.id)
        where = (await running.client.get(f"/v1/jobs/{job.id}")).json()["urls"]["peaks"]
        assert (await running.client.get(where)).json() == {"duration": 8.47, "peaks": [0, 128, 255]}


async def test_it_is_nobody_elses(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys={"ann": "sk-ann"}) as running:
        job = running.add_job(owner="ben")
        running.store.save_waveform(job.id, Waveform(1.0, (1,)))
        answer = await running.client.get(f"/v1/jobs/{job.id}/peaks", headers={"authorization": "Bearer sk-ann"})
        assert_error(answer, 404, "job_not_found", "id")


async def test_a_damaged_one_is_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        (running.store.source(job.id).parent / "peaks.json").write_bytes(b"{")
        assert_error(await running.client.get(f"/v1/jobs/{job.id}/peaks"), 404, "peaks_not_found", "id")
