"""What the page needs of the service, as it really runs: a waveform, corrections, search, and a copy that plays."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService, assert_error, until


@pytest.fixture(scope="module")
def job_id(quick: LiveService, clip: Path) -> str:
    """A finished job with words w0.0 w0.1 w0.2."""
    job_id = quick.submit(clip, **{"timestamp_granularities[]": ["word", "segment"], "response_format": "verbose_json"})
    assert quick.ended(job_id)["status"] == "finished"
    return job_id


def test_a_finished_job_has_a_waveform(quick: LiveService, job_id: str) -> None:
    found = quick.get(f"/v1/jobs/{job_id}/peaks").json()
    assert found["duration"] == pytest.approx(3, abs=0.01)
    assert len(found["peaks"]) == 300
    assert 50 < max(found["peaks"]) <= 255


def test_a_correction_is_in_every_answer_and_is_found(quick: LiveService, job_id: str) -> None:
    word = f"x{secrets.token_hex(6)}"
    path = f"/v1/jobs/{job_id}/transcript"
    with quick.http() as client:
        before = client.get(path, params={"format": "verbose_json"})
        segment = before.json()["segments"][0]
        body = {"segments": [{"id": segment["id"], "text": f"{segment['text']} {word}"}]}
        answer = client.patch(path, json=body, headers={"if-match": before.headers["etag"]})
        assert (answer.status_code, answer.json()["segments"][0]["words"][-1]["word"]) == (200, word), answer.text
        assert_error(
            client.patch(path, json=body, headers={"if-match": before.headers["etag"]}),
            412, "transcript_changed", "If-Match",
        )  # fmt: skip
        title = f"y{secrets.token_hex(6)}"
        assert client.patch(f"/v1/jobs/{job_id}", json={"title": f"Weekly {title}"}).json()["edited"] is True
    for kind in ("text", "srt", "json"):
        assert word in quick.get(path, format=kind).text
        assert word not in quick.get(path, format=kind, original="true").text
    for query in (word, word.upper(), f"weekly {title}", title[:8]):
        found = quick.get("/v1/jobs", q=query, status="finished,failed").json()
        assert [row["id"] for row in found["data"]] == [job_id], query
        assert found["has_more"] is False
    assert quick.get("/v1/jobs", q=f"{word}z").json()["data"] == []


def test_search_is_by_the_file_that_is_kept_beside_the_index(quick: LiveService, job_id: str) -> None:
    until(lambda: list((quick.data / "index").glob("words-*.sqlite")), "the file is made")


def test_a_better_copy_is_made_for_players(quick: LiveService, job_id: str, clip: Path) -> None:
    """Of a WAV there is none: it plays as it is."""
    answer = quick.get(f"/v1/jobs/{job_id}/audio", playable="true")
    assert (answer.status_code, answer.content) == (200, clip.read_bytes())
    assert (quick.data / "jobs" / job_id / "playable").read_bytes() == b""
