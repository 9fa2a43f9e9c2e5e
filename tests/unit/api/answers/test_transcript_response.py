"""The file's name as RFC 6266 has it, safe on every system, and compression for those who take it."""

from __future__ import annotations

import gzip
from email.message import Message
from urllib.parse import unquote

import pytest
from starlette.datastructures import Headers

from api.answers.formats import Rendered
from api.answers.transcript_response import content_disposition, file_name, takes_gzip, transcript_response

LONG = Rendered(b"Hello there. " * 400, "text/plain; charset=utf-8", "txt")


@pytest.mark.parametrize(
    ("recording", "name"),
    [
        ("meeting.mp3", "meeting.srt"),
        ("meeting.final.mp3", "meeting.final.srt"),
        ("meeting", "meeting.srt"),
        ("", "transcript.srt"),
        (".mp3", "transcript.srt"),
        ("../../etc/passwd.wav", "passwd.srt"),
        ("C:\\talks\\a.wav", "a.srt"),
        ('a"b\r\nc:d?.wav', "a_b__c_d_.srt"),
        ("日本語.m4a", "日本語.srt"),
        ("é" * 300 + ".wav", "é" * 100 + ".srt"),
    ],
)
def test_a_transcript_is_named_after_its_recording(recording: str, name: str) -> None:
    assert file_name(recording, "srt") == name


@pytest.mark.parametrize("name", ["meeting.srt", "日本語 100%.srt", "a b;c'd.srt", "Größe.docx"])
def test_programs_read_the_name_that_was_meant(name: str) -> None:
    header = content_disposition(name)
    header.encode("ascii")
    message = Message()
    message["content-disposition"] = header
    if name.isascii() and "%" not in name:
        assert message.get_filename() == name
    else:
        assert unquote(header.partition("filename*=UTF-8''")[2]) == name


def test_browsers_show_text_and_save_the_rest() -> None:
    shown = transcript_response(LONG, "a.mp3", Headers()).headers["content-disposition"]
    saved = transcript_response(Rendered(b"1", "text/csv", "csv"), "a.mp3", Headers()).headers["content-disposition"]
    assert (shown, saved) == ('inline; filename="a.txt"', 'attachment; filename="a.csv"')


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True), ("gzip, deflate, br", True), ("br;q=1.0, GZIP;q=0.8", True), ("*", True),
        ("", False), ("identity", False), ("gzip;q=0", False), ("*, gzip; q=0", False), ("deflate", False),
    ],
)  # fmt: skip
def test_who_takes_gzip(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


def test_long_transcripts_are_compressed_for_those_who_take_it() -> None:
    taken = transcript_response(LONG, "a.mp3", Headers({"accept-encoding": "gzip"}))
    assert gzip.decompress(bytes(taken.body)) == LONG.body
    assert (taken.headers["content-encoding"], taken.headers["vary"]) == ("gzip", "accept-encoding")
    assert int(taken.headers["content-length"]) == len(taken.body) < len(LONG.body) / 10
    plain = transcript_response(LONG, "a.mp3", Headers())
    assert (plain.body, "content-encoding" in plain.headers) == (LONG.body, False)
    for small in (Rendered(b"short", "text/plain", "txt"), Rendered(b"PK" * 4000, "application/x", "docx")):
        answer = transcript_response(small, "a.mp3", Headers({"accept-encoding": "gzip"}))
        assert "content-encoding" not in answer.headers
