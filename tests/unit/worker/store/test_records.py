"""A job's request never changes, its id sorts by time, and both records survive being stored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.base import DecodeOptions
from engines.transcript import Segment, Speaker, Transcript, TranscriptWarning, Word
from scripts.service.pid_file import RUNNING, Running
from tests.unit.factories import make_request, make_result, make_transcript, make_words, with_unknown_fields
from worker.queue.heartbeat import HEARTBEAT, WorkerHeartbeat
from worker.running.checkpoint import RESULT, Saved
from worker.store.idempotency import CLAIM, Claimed
from worker.store.record_format import RecordFormat, RecordUnreadable
from worker.store.records import (
    JOB,
    OUTCOME,
    RETRY,
    TRANSCRIPT,
    JobError,
    Outcome,
    Retry,
    Webhook,
    is_job_id,
    new_job_id,
)
from worker.webhooks.outbox import LINE, Attempt, Redelivery

texts = st.sampled_from(["", " Hello", " “naïve”\n", "你好。", ' \u2028\\"', " 🎙"])
times = st.floats(0, 1e5)
ratios = st.floats(-10, 10)
words = st.lists(st.builds(Word, texts, times, times, ratios), max_size=3).map(tuple)
tokens = st.lists(st.integers(0, 60_000), max_size=4).map(tuple)
segments = st.builds(
    Segment, st.integers(), times, times, texts, tokens, st.integers(), ratios, ratios, ratios, ratios, words
)
warnings = st.builds(TranscriptWarning, texts, texts)
transcripts = st.builds(
    Transcript,
    task=st.sampled_from(["transcribe", "translate"]),
    language=st.just("en"),
    language_probability=ratios,
    duration=times,
    model=texts,
    engine=texts,
    segments=st.lists(segments, max_size=3).map(tuple),
    warnings=st.lists(warnings, max_size=2).map(tuple),
)


def test_speakers_come_back_and_cost_nothing_where_they_are_not_told_apart() -> None:
    plain = make_transcript()
    assert b"speaker" not in TRANSCRIPT.dump(plain)
    told = plain.named({}).segments[0]
    told = replace(told, speaker="A", words=tuple(replace(word, speaker="A") for word in told.words))
    found = replace(plain, segments=(told,), speakers=(Speaker("A", 1.0),))
    assert TRANSCRIPT.load(TRANSCRIPT.dump(found)) == found


def test_ids_are_job_ids_and_never_the_same() -> None:
    ids = {new_job_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_job_id(job_id) for job_id in ids)


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    second = 1_700_000_000_000_000_000  # nanoseconds
    for moment in (0, second // 2, second, second + 999_999_000, *(second + 10**9 + each * 1000 for each in range(20))):
        monkeypatch.setattr("worker.store.records.time.time_ns", lambda moment=moment: moment)
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
    assert JOB.load(JOB.dump(request)) == request


def test_a_request_of_a_version_whose_options_had_more_is_read() -> None:
    """Beams and padding stood among a request's options once."""
    request = make_request(new_job_id(), options=DecodeOptions(language="de", words=True))
    row = json.loads(JOB.dump(request))
    row["options"] |= {"beam_size": 5, "full_padding": False}
    assert JOB.read(row) == request


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("finished", started_at=1.5, duration=12.25, warnings=(TranscriptWarning("truncated_input", "…"),)),
        Outcome("failed", error=JobError("empty_audio", "There is nothing to hear.")),
        Outcome("canceled"),
    ],
)
def test_an_outcome_comes_back_from_json_as_it_was(outcome: Outcome) -> None:
    assert OUTCOME.load(OUTCOME.dump(outcome)) == outcome


@settings(max_examples=20, deadline=None)
@given(transcripts)
def test_a_transcript_comes_back_from_json_as_it_was(transcript: Transcript) -> None:
    assert TRANSCRIPT.load(TRANSCRIPT.dump(transcript)) == transcript


@pytest.mark.parametrize("key", ["claimed_seconds", "declared_seconds"])
def test_declared_seconds_are_read_by_either_name(key: str) -> None:
    data = JOB.write(make_request(new_job_id(), declared_seconds=7.5))
    seconds = data.pop("claimed_seconds")  # as earlier versions know it
    assert JOB.read({**data, key: seconds}).declared_seconds == 7.5


def test_metadata_as_deep_as_the_api_takes_it_is_stored() -> None:
    metadata: dict[str, Any] = {}
    for _ in range(400):
        metadata = {"a": metadata}
    request = make_request(new_job_id(), metadata=metadata)
    assert JOB.load(JOB.dump(request)) == request


ATTEMPT = Attempt(1.5, 0.25, None, "No answer.", "pending", 2.5)
RECORDS: list[tuple[RecordFormat[Any], Any]] = [
    (JOB, make_request("job_" + "0" * 28, webhook=Webhook("https://example.com"))),
    (OUTCOME, Outcome("failed", error=JobError("empty_audio", "…"), warnings=(TranscriptWarning("a", "b"),))),
    (TRANSCRIPT, make_transcript(warnings=(TranscriptWarning("truncated_input", "…"),))),
    (RESULT, Saved((0, 1, 2, 3), make_result(words=make_words(" Hello"), word_tokens=((1,),)))),
    (LINE, ATTEMPT),
    (LINE, Redelivery(3.5)),
    (RETRY, Retry(JobError("server_error", "…"), 2, 1.5, 5.0)),
    (CLAIM, Claimed("job_" + "0" * 28, "abc")),
    (HEARTBEAT, WorkerHeartbeat("w", "ready", "base", pid=7)),
    (RUNNING, Running(7, 1.5, "http://127.0.0.1:9001", None, "redis://", {"WHISPER_MODEL": "base"})),
]


@pytest.mark.fault(115)
@pytest.mark.parametrize(("kind", "record"), RECORDS)
def test_fields_of_a_later_version_are_ignored_at_every_depth(kind: RecordFormat[Any], record: Any) -> None:
    data = with_unknown_fields(json.loads(kind.dump(record)))
    for number in (1, 2):
        assert kind.read({**data, "format": number}) == record


@pytest.mark.fault(115)
@pytest.mark.parametrize(("kind", "record"), RECORDS)
def test_what_only_a_newer_version_can_read_is_said_to_be_its(kind: RecordFormat[Any], record: Any) -> None:
    said = "format 2, which a newer version wrote; this version knows 1"
    for number in (2, "2"):  # Redis has text
        with pytest.raises(RecordUnreadable, match=said) as raised:
            kind.read({"format": number})
        assert raised.value.newer == 2
    with pytest.raises(RecordUnreadable, match="is damaged") as raised:
        kind.read({"format": 1})
    assert raised.value.newer is None


def test_formats_are_numbered_unless_the_first_readers_refused_it() -> None:
    """They set jobs aside, forgot keys and lost sight of workers for one unknown field."""
    numbered = {kind.name for kind, record in RECORDS if kind.write(record).get("format") == 1}
    assert numbered == {"job.json", "outcome.json", "retry.json", "a line of deliveries.jsonl"}
    second = replace(TRANSCRIPT, number=2)
    assert second.write(make_transcript())["format"] == 2


def test_no_value_of_a_damaged_record_is_told() -> None:
    data = JOB.write(make_request(new_job_id()))
    data["webhook"] = {"url": 3, "headers": {"authorization": "Bearer hush"}}
    with pytest.raises(RecordUnreadable) as raised:
        JOB.read(data)
    assert "webhook.url: Input should be a valid string" in str(raised.value)
    assert "hush" not in str(raised.value)
