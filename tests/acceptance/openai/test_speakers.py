"""Who says what, through the official SDK: typed, whole and streamed, with known speakers, and every wrong one refused.

People hum here, each at a pitch of their own, and the diarizer for tests knows them by it.
"""

from __future__ import annotations

import base64
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai.types.audio import (
    Transcription,
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
)

from tests import media
from tests.acceptance.live import LiveService, assert_error, nothing_left, until
from tests.acceptance.sdk import KINDS, Client, Kind, call, sync_client, transcribe

ANNA, BEN, EVA = 200.0, 400.0, 600.0  # Hz
DIARIZED: dict[str, Any] = {
    "model": "gpt-4o-transcribe-diarize",
    "response_format": "diarized_json",
    "chunking_strategy": "auto",
    "extra_body": {"vad_filter": "false"},  # humming is no speech
}
FORM = {"response_format": "diarized_json", "vad_filter": "false"}


def hum(*voices: tuple[float, float]) -> media.Samples:
    """voices: the pitch and the seconds of each."""
    parts = [0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * 16_000)) / 16_000) for pitch, seconds in voices]
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speakers")


@pytest.fixture(scope="module")
def meeting(folder: Path) -> Path:
    """Two people, who take turns of 4 s, 5 s and 3 s."""
    return media.write(folder / "meeting.wav", hum((ANNA, 4), (BEN, 5), (ANNA, 3)))


def url(folder: Path, samples: media.Samples, suffix: str = ".wav") -> str:
    content = media.write(folder / f"reference{suffix}", samples).read_bytes()
    return f"data:audio/{suffix[1:]};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize("kind", KINDS)
def test_diarized_json_comes_in_the_sdks_type(quick: LiveService, meeting: Path, kind: Kind) -> None:
    answer = call(kind, quick, transcribe(meeting, **DIARIZED))
    assert type(answer) is TranscriptionDiarized
    assert answer.task == "transcribe"
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.duration == pytest.approx(12, abs=0.1)
    assert [each.speaker for each in answer.segments] == ["A", "B", "A"]
    assert [each.id for each in answer.segments] == ["seg_0", "seg_1", "seg_2"]
    assert {each.type for each in answer.segments} == {"transcript.text.segment"}
    assert [round(each.start) for each in answer.segments] == [0, 4, 9]
    assert " ".join(each.text for each in answer.segments) == answer.text
    assert not answer.model_extra
    assert not any(each.model_extra for each in answer.segments)


@pytest.mark.parametrize("kind", KINDS)
def test_its_stream_comes_in_the_sdks_types(quick: LiveService, meeting: Path, kind: Kind) -> None:
    def plain(client: Client) -> Any:
        return list(transcribe(meeting, **DIARIZED, stream=True)(client))

    async def awaited(client: Client) -> Any:
        return [event async for event in await transcribe(meeting, **DIARIZED, stream=True)(client)]

    events = call(kind, quick, plain if kind == "sync" else awaited)
    segments = [event for event in events if isinstance(event, TranscriptionTextSegmentEvent)]
    deltas = [event for event in events if isinstance(event, TranscriptionTextDeltaEvent)]
    assert [(each.id, each.speaker) for each in segments] == [("seg_0", "A"), ("seg_1", "B"), ("seg_2", "A")]
    assert [each.segment_id for each in deltas] == [each.id for each in segments]
    done = events[-1]
    assert type(done) is TranscriptionTextDoneEvent
    assert "".join(each.delta for each in deltas) == done.text
    assert len(events) == len(segments) + len(deltas) + 1


@pytest.mark.parametrize("kind", KINDS)
def test_known_speakers_have_their_names(quick: LiveService, meeting: Path, folder: Path, kind: Kind) -> None:
    known = {
        "known_speaker_names": ["Ben, B.", "Eva"],
        "known_speaker_references": [url(folder, hum((BEN, 3))), url(folder, hum((EVA, 10)), ".mp3")],
    }
    answer = call(kind, quick, transcribe(meeting, **DIARIZED, **known))
    assert [each.speaker for each in answer.segments] == ["A", "Ben, B.", "A"]


def test_the_models_json_is_json(quick: LiveService, meeting: Path) -> None:
    with sync_client(quick) as client:
        assert type(transcribe(meeting, model="gpt-4o-transcribe-diarize")(client)) is Transcription
        assert "gpt-4o-transcribe-diarize" in {model.id for model in client.models.list()}


REFERENCES: dict[str, tuple[Callable[[Path], str], str]] = {
    "too short": (lambda folder: url(folder, hum((BEN, 1.7))), "1.7 seconds"),
    "far too long": (lambda folder: url(folder, hum((BEN, 20)), ".flac"), "20.0 seconds"),
    "too long": (lambda folder: url(folder, hum((BEN, 10.4)), ".webm"), "longer than 10"),
    "nobody speaks": (lambda folder: url(folder, np.zeros(48_000, np.float32)), "too little speech"),
    "no sound": (lambda folder: "data:audio/wav;base64," + base64.b64encode(b"nonsense" * 9).decode(), "Ben"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_that_is_of_no_use_is_refused(quick: LiveService, meeting: Path, folder: Path, name: str) -> None:
    make, says = REFERENCES[name]
    known = {"known_speaker_names[]": "Ben", "known_speaker_references[]": make(folder)}
    answer = quick.transcribe(meeting, **FORM, **known)
    assert says in assert_error(answer, 400, "invalid_speaker_reference", "known_speaker_references")


def test_what_is_refused_at_once_leaves_nothing(quick: LiveService, meeting: Path, folder: Path) -> None:
    with nothing_left(quick):
        answer = quick.transcribe(meeting, **FORM, **{"known_speaker_names[]": ["A", "B", "C", "D", "E"]})
        assert_error(answer, 400, "invalid_value", "known_speaker_references")
        known = {"known_speaker_names[]": "Ben", "known_speaker_references[]": url(folder, hum((BEN, 1)))}
        answer = quick.transcribe(meeting, **FORM, **known)
        assert "1.0 seconds" in assert_error(answer, 400, "invalid_speaker_reference", "known_speaker_references")


def test_a_job_has_its_speakers_in_every_format(quick: LiveService, meeting: Path, folder: Path) -> None:
    job_id = quick.submit(
        meeting,
        diarize="true",
        max_speakers="4",
        vad_filter="false",
        **{"known_speaker_names[]": "Ben", "known_speaker_references[]": url(folder, hum((BEN, 3)))},
    )
    speakers = quick.ended(job_id)["speakers"]
    assert speakers == [{"id": "A", "name": "A", "seconds": 7.0}, {"id": "Ben", "name": "Ben", "seconds": 5.0}]

    def shown(response_format: str) -> str:
        return quick.get(f"/v1/jobs/{job_id}/transcript", format=response_format).text

    assert [line.partition(":")[0] for line in shown("text").splitlines()] == ["A", "Ben", "A"]
    assert "<v Ben>w0." in shown("vtt")
    assert "\nBen: w0." in shown("srt")
    assert "**Ben:** w0." in shown("md")
    assert [line.split("\t")[2] for line in shown("tsv").splitlines()[1:]] == ["A", "Ben", "A"]
    assert [each["speaker"] for each in json.loads(shown("verbose_json"))["segments"]] == ["A", "Ben", "A"]
    assert [each["speaker"] for each in json.loads(shown("diarized_json"))["segments"]] == ["A", "Ben", "A"]
    events = quick.get(f"/v1/jobs/{job_id}/events").text
    assert events.count('"speaker":"Ben"') == 1


def test_no_voiceprint_is_kept_and_references_go_with_the_recording(
    quick: LiveService, meeting: Path, folder: Path
) -> None:
    reference = url(folder, hum((BEN, 3)))
    job_id = quick.submit(
        meeting,
        diarize="true",
        vad_filter="false",
        **{"known_speaker_names[]": "Ben", "known_speaker_references[]": reference},
    )
    quick.ended(job_id)
    kept = quick.data / "jobs" / job_id
    until(lambda: not list(kept.glob("checkpoint.*")), "the checkpoint is deleted")
    assert {path.name for path in kept.iterdir()} == {
        "source", "reference.0", "job.json", "transcript.json", "outcome.json", "peaks.json",
    }  # fmt: skip
    for path in (kept / "job.json", kept / "transcript.json", kept / "outcome.json"):
        assert b"voiceprint" not in path.read_bytes()
        assert len(path.read_bytes()) < 20_000
    assert "voiceprint" not in quick.log()
    with quick.http() as client:
        client.delete(f"/v1/jobs/{job_id}")
    assert not kept.exists()


def test_references_are_deleted_as_a_waiting_client_is_answered(
    quick: LiveService, meeting: Path, folder: Path
) -> None:
    before = quick.job_ids()
    known = {"known_speaker_names[]": "Ben", "known_speaker_references[]": url(folder, hum((BEN, 3)))}
    assert quick.transcribe(meeting, **FORM, **known).status_code == 200
    [job_id] = quick.job_ids() - before
    until(lambda: not list((quick.data / "jobs" / job_id).glob("[rs]*e*.0")), "the reference is deleted")
    assert not (quick.data / "jobs" / job_id / "source").exists()


def test_a_jobs_speakers_are_there_only_if_they_were_asked_for(quick: LiveService, clip: Path) -> None:
    job = quick.ended(quick.submit(clip))
    assert job["speakers"] is None
    answer = quick.get(job["urls"]["transcript"], format="diarized_json")
    assert "diarize" in assert_error(answer, 400, "invalid_value", "format")


def test_more_speakers_than_there_are_and_nobody_at_all(quick: LiveService, meeting: Path, folder: Path) -> None:
    """A hundred people in 4 s are as many as pieces of voices were heard; silence has none, and no error."""
    alone = media.write(folder / "alone.wav", hum((ANNA, 4)))
    for wish in ({"num_speakers": "100"}, {"min_speakers": "100"}):
        answer = quick.transcribe(alone, **FORM, **wish)
        assert {each["speaker"] for each in answer.json()["segments"]} == {"A"}
    silence = media.write(folder / "silence.wav", np.zeros(64_000, np.float32))
    assert quick.transcribe(silence, response_format="diarized_json").json()["segments"] == []
    assert quick.ended(quick.submit(silence, diarize="true"))["speakers"] == []


def test_each_side_of_a_stereo_call_alone_has_its_speaker(quick: LiveService, folder: Path) -> None:
    left, right = hum((ANNA, 4), (0.0, 4)), hum((0.0, 4), (BEN, 4))
    call = folder / "call.wav"
    with wave.open(str(call), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.stack([left, right], axis=1) * 32_767).astype("<i2").tobytes())
    answer = quick.transcribe(call, **FORM)
    assert [each["speaker"] for each in answer.json()["segments"]] == ["A", "B"]


def test_a_job_once_more_knows_who_was_known(quick: LiveService, meeting: Path, folder: Path) -> None:
    known = {"known_speaker_names[]": "Ben", "known_speaker_references[]": url(folder, hum((BEN, 3)))}
    job_id = quick.submit(meeting, **FORM, **known)
    quick.ended(job_id)
    again = quick.post(f"/v1/jobs/{job_id}/retry", params={"language": "de"}).json()
    assert [each["id"] for each in quick.ended(again["id"])["speakers"]] == ["A", "Ben"]


def test_speakers_are_named_and_named_again(quick: LiveService, meeting: Path) -> None:
    job_id = quick.submit(meeting, **FORM)
    quick.ended(job_id)
    path = f"/v1/jobs/{job_id}"

    def named(names: dict[str, str | None]) -> list[str]:
        with quick.http() as client:
            answer = client.patch(path, json={"speakers": names})
        assert answer.status_code == 200, answer.text
        assert answer.json() == quick.job(job_id)
        return [each["name"] for each in answer.json()["speakers"]]

    assert named({"A": " Anna "}) == ["Anna", "B"]
    assert named({"B": "Ben <b>"}) == ["Anna", "Ben <b>"]
    shown = {kind: quick.get(f"{path}/transcript", format=kind).text for kind in ("text", "vtt", "diarized_json")}
    assert shown["text"].startswith("Anna: w0.")
    assert "<v Ben &lt;b&gt;>" in shown["vtt"]
    assert [each["speaker"] for each in json.loads(shown["diarized_json"])["segments"]] == ["Anna", "Ben <b>", "Anna"]
    assert [each["id"] for each in quick.job(job_id)["speakers"]] == ["A", "B"]
    assert named({"A": None}) == ["A", "Ben <b>"]
    bad: list[tuple[Any, str]] = [
        ({"speakers": {"C": "Eva"}}, "it has A, B"),
        ({"speakers": {"A": "x" * 101}}, "100"),
        ({"speakers": {"A": 7}}, "empty or longer"),
        ({"speakers": ["Anna"]}, "no object"),
    ]
    with quick.http() as client:
        for body, says in bad:
            assert says in assert_error(client.patch(path, json=body), 400, "invalid_value", "speakers")
        assert "neither" in assert_error(client.patch(path, json={}), 400, "invalid_value")
        assert_error(client.patch(path, content=b"{"), 400, "invalid_value")
        large = {"speakers": {"A": "x" * 70_000}}
        assert_error(client.patch(path, json=large), 400, "field_too_large")
        assert client.patch(f"/v1/jobs/job_{'0' * 28}", json={"speakers": {}}).status_code == 404
    assert [each["name"] for each in quick.job(job_id)["speakers"]] == ["A", "Ben <b>"]
