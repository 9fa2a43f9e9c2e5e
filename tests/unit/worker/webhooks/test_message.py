"""A webhook is thin: the job, links, and the text where it is short or asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engines.transcript import Transcript
from tests.unit.factories import make_request, make_segment, make_transcript
from worker.jobs.job_view import job_view
from worker.store.records import JOB, JobError, Outcome, Webhook, new_job_id
from worker.webhooks.message import SHORT, message

ENDED = Outcome("finished", ended_at=1_800_000_000.25, started_at=1_799_999_990.0, duration=2.5)


def data_of(
    transcript: Transcript | None = None, outcome: Outcome = ENDED, public_url: str | None = None, **webhook: Any
) -> dict[str, Any]:
    request = make_request(new_job_id(), webhook=Webhook("https://example.com/", **webhook))
    data: dict[str, Any] = json.loads(message(request, outcome, transcript, public_url))["data"]
    return data


def test_it_holds_the_job_as_the_api_answers_it() -> None:
    request = make_request(new_job_id(), webhook=Webhook("https://example.com/", {"x-secret": "1"}))
    data = json.loads(message(request, ENDED, make_transcript(), None))["data"]
    assert {**job_view(request, ENDED, None), "text": "Hello there. Bye."} == data
    assert "x-secret" not in json.dumps(data)


def test_the_same_job_gives_the_same_bytes() -> None:
    request = make_request(new_job_id(), webhook=Webhook("https://example.com/"))
    assert message(request, ENDED, make_transcript(), None) == message(request, ENDED, make_transcript(), None)


def test_a_short_text_comes_along_and_a_long_one_when_it_is_asked_for() -> None:
    long = make_transcript(segments=(make_segment(text=" " + "ä" * SHORT),))
    assert data_of(make_transcript())["text"] == "Hello there. Bye."
    assert data_of(long)["text"] is None
    assert data_of(long, include=("text",))["text"] == "ä" * SHORT
    assert len(json.dumps(data_of(long))) < 20_000


def test_segments_come_along_when_they_are_asked_for() -> None:
    assert "segments" not in data_of(make_transcript())
    segments = data_of(make_transcript(), include=("segments",))["segments"]
    assert segments[1] == {"id": 1, "start": 1.5, "end": 2.0, "text": " Bye."}


def test_a_failed_job_says_why_and_has_no_text() -> None:
    data = data_of(outcome=Outcome("failed", error=JobError("empty_audio", "It is empty.")))
    assert data["error"] == {"code": "empty_audio", "message": "It is empty."}
    assert "text" not in data


@pytest.mark.parametrize(
    ("public_url", "base_url", "start"),
    [
        ("https://w.example.com/whisper", "http://10.0.0.1:9001", "https://w.example.com/whisper/v1/jobs/"),
        (None, "http://10.0.0.1:9001", "http://10.0.0.1:9001/v1/jobs/"),
        (None, "", "/v1/jobs/"),
    ],
)
def test_links_begin_with_the_address_others_reach(public_url: str | None, base_url: str, start: str) -> None:
    urls = data_of(make_transcript(), public_url=public_url, base_url=base_url)["urls"]
    page = urls.pop("page")
    assert all(url.startswith(start) for url in urls.values())
    assert page.startswith(f"{start.removesuffix('/v1/jobs/')}/#/jobs/job_")


def test_a_receiver_survives_the_record() -> None:
    webhook = Webhook("https://example.com/", {"authorization": "x"}, ("text",), "http://localhost:9001")
    request = make_request(new_job_id(), webhook=webhook)
    assert JOB.load(JOB.dump(request)) == request


def test_a_record_of_before_there_were_call_backs_is_read() -> None:
    data = JOB.write(make_request(new_job_id()))
    del data["webhook"]
    assert JOB.read(data).webhook is None
