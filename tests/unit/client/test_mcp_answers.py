"""What agents are answered: jobs in their words, and long transcripts cut where they can go on."""

from __future__ import annotations

from typing import Any

from whisper_native.mcp.answers import MAX_CHARACTERS, job_of, shortened

JOB: dict[str, Any] = {
    "id": "job_1",
    "status": "started",
    "file": {"name": "a.wav"},
    "created_at": 1_790_000_000,
    "progress": 0.51234,
    "total_seconds": 60.0,
    "eta_seconds": 12.4,
    "position": None,
    "language": "de",
    "detected_language": None,
    "speakers": None,
    "error": None,
    "waiting_for": None,
    "warnings": [],
}


def test_a_job_says_what_to_do_next() -> None:
    job = job_of(JOB)
    assert (job.created, job.progress, job.language) == ("2026-09-21T14:13:20+00:00", 0.512, "de")
    assert job.next == "Call job_status in about 12 seconds."
    waiting = job_of({**JOB, "status": "queued", "eta_seconds": None, "waiting_for": {"code": "x", "message": "Full."}})
    assert (waiting.next, waiting.error) == ("Call job_status with `wait`.", "x: Full.")
    assert job_of({**JOB, "status": "finished"}).next is None
    assert (job.title, job_of({**JOB, "title": "Weekly"}).title) == (None, "Weekly")
    assert "transcribe again" in str(job_of({**JOB, "status": "failed"}).next)


def test_a_job_of_an_older_server_has_what_that_says() -> None:
    known = {name: value for name, value in JOB.items() if name not in ("speakers", "warnings", "detected_language")}
    assert job_of(known).speakers == []


def test_a_long_transcript_is_cut_at_a_line_and_says_so() -> None:
    line = "[00:00:00] words\n"
    text = line * (MAX_CHARACTERS // len(line) + 10)
    kept, _, note = shortened(text).rpartition("\n\n")
    assert kept.endswith("words")
    assert MAX_CHARACTERS - 2 * len(line) < len(kept) < MAX_CHARACTERS
    assert "`start`" in note
    assert shortened("x" * (MAX_CHARACTERS + 1)).startswith("x" * MAX_CHARACTERS + "\n")
    assert shortened("short") == "short"
