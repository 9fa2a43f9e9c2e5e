"""The API dies between two steps of accepting a recording, or with clients waiting: what it promised still comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from engines.base import DecodeOptions
from tests.acceptance.live import LiveService, until
from tests.faults.processes import kill, process
from tests.unit.factories import make_request
from worker.store.job_store import LocalStore


@pytest.fixture(scope="module")
def service(start_service: Callable[..., LiveService]) -> LiveService:
    """Half a second for each window."""
    return start_service("api-crash", WHISPER_ENGINE="fake", WHISPER_MODEL="0.5", WHISPER_TIME_SCALE="0.1")


@pytest.mark.fault(14)
def test_a_job_in_the_store_that_never_came_into_its_queue_runs(service: LiveService, clip: Path) -> None:
    """What an API process leaves that dies between storing a recording and queueing it."""
    upload = LocalStore(service.data).receive()
    upload.write(clip.read_bytes())
    upload.commit(make_request(upload.id, model="whisper-1", size=upload.size, options=DecodeOptions(words=True)))
    kill(process(service, "api"))
    until(service.is_ready, "another one serves")
    assert service.ended(upload.id)["status"] == "finished"


@pytest.mark.fault(13)
def test_a_job_whose_client_waited_at_a_killed_api_ends_all_the_same(service: LiveService, talk_file: Path) -> None:
    """The windows take half a second each, so that the kill finds the job under way."""
    before = service.job_ids()
    broken: list[BaseException] = []

    def wait() -> None:
        try:
            service.transcribe(talk_file)
        except httpx.TransportError as error:
            broken.append(error)

    client = threading.Thread(target=wait)
    client.start()
    until(lambda: service.job_ids() - before, "the job is there")
    (job_id,) = service.job_ids() - before
    service.in_state(job_id, "started")
    kill(process(service, "api"))
    client.join(30)
    assert broken
    until(service.is_ready, "another one serves")
    assert service.ended(job_id)["status"] == "finished"
