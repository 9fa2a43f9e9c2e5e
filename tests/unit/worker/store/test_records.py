"""A job's request never changes, its id sorts by time, and both records survive being stored."""

from __future__ import annotations

import json

import pytest

from engines.base import DecodeOptions
from tests.unit.factories import make_request
from worker.store.records import JobError, JobRequest, Outcome, is_job_id, new_job_id


def test_ids_are_job_ids_and_never_the_same() -> None:
    ids = {new_job_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_job_id(job_id) for job_id in ids)


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for moment in (0.0, 1.0, 1_700_000_000.001, 1_700_000_000.002, 9_999_999_999.0):
        monkeypatch.setattr("worker.store.records.time.time", lambda moment=moment: moment)
        made.append(new_job_id())
    assert made == sorted(made)
    assert all(map(is_job_id, made))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job_",
        "../../etc/passwd",
        "job_" + "0" * 27,
        "job_" + "0" * 29,
        "job_" + "G" * 28,
        "job_" + "A" * 28,
        "job_" + "0" * 28 + "\n",
        "job_" + "\u0660" * 28,
        "/job_" + "0" * 28,
    ],
)
def test_nothing_else_is_a_job_id(text: str) -> None:
    assert not is_job_id(text)


def test_a_request_comes_back_from_json_as_it_was() -> None:
    options = DecodeOptions(task="translate", languages=("de", "en"), prompt="Süß", hotwords="x", temperature=0.3)
    request = make_request(new_job_id(), options=options, metadata={"n": [1, {"a": None}]}, granularities=("word",))
    assert JobRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_a_request_of_a_version_whose_options_had_more_is_read() -> None:
    """Beams and padding stood among a request's options once."""
    request = make_request(new_job_id(), options=DecodeOptions(language="de", words=True))
    row = json.loads(json.dumps(request.to_dict()))
    row["options"] |= {"beam_size": 5, "full_padding": False}
    assert JobRequest.from_dict(row) == request


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("finished", started_at=1.5, duration=12.25, warnings=({"code": "truncated_input", "message": "…"},)),
        Outcome("failed", error=JobError("empty_audio", "There is nothing to hear.")),
        Outcome("canceled"),
    ],
)
def test_an_outcome_comes_back_from_json_as_it_was(outcome: Outcome) -> None:
    assert Outcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome
