"""What a job has decoded comes back exactly, from whatever a crash left of the files, and never for another plan."""

from __future__ import annotations

import errno
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.base import Window, WindowResult
from engines.speakers.voice_piece import VoicePiece
from engines.transcript import Word
from tests.unit.factories import make_request, make_result, make_window, make_words, with_unknown_fields
from worker.running.checkpoint import History, JobCheckpoint
from worker.store.job_store import LocalStore

PLAN = {"model": "base", "options": {"beam_size": 5, "languages": ("de", "en")}}

numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.builds(Word, st.text(max_size=8), numbers, numbers, numbers)
results = st.builds(
    WindowResult,
    text=st.text(),
    tokens=st.lists(st.integers(0, 60_000), max_size=5).map(tuple),
    language=st.sampled_from(["en", "yue"]),
    language_probability=numbers,
    avg_logprob=numbers,
    no_speech_prob=numbers,
    compression_ratio=numbers,
    temperature=numbers,
    words=st.lists(words, max_size=3).map(tuple),
    word_tokens=st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=3).map(tuple),
    is_shortened=st.booleans(),
)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def job_id(store: LocalStore) -> str:
    upload = store.receive()
    upload.write(b"RIFF")
    upload.commit(make_request(upload.id))
    return upload.id


def keep(store: LocalStore, job_id: str, *rows: tuple[Window, WindowResult], plan: Any = PLAN) -> None:
    """An attempt that decodes these windows and ends."""
    checkpoint = JobCheckpoint(store, job_id, plan)
    checkpoint.begin()
    for window, result in rows:
        checkpoint.save(window, result)
    checkpoint.end()


def files(store: LocalStore) -> list[Path]:
    return sorted((store.root / "jobs").glob("*/checkpoint.*"))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(results, min_size=1, max_size=4))
def test_results_come_back_exactly(store: LocalStore, job_id: str, kept: list[WindowResult]) -> None:
    keep(store, job_id, *((make_window(index), result) for index, result in enumerate(kept)))
    second = JobCheckpoint(store, job_id, PLAN)
    assert [second.result(make_window(index)) for index in range(len(kept))] == kept
    store.drop_checkpoints(job_id)


def test_every_attempt_has_a_file_of_its_own_and_knows_all_before(store: LocalStore, job_id: str) -> None:
    for attempt in range(12):  # more than nine: they are read in the order of their numbers
        checkpoint = JobCheckpoint(store, job_id, PLAN)
        assert [checkpoint.result(make_window(index)) is not None for index in range(12)] == [
            index < attempt for index in range(12)
        ]
        result = make_result(f" {attempt}")
        keep(store, job_id, (make_window(0), result), (make_window(attempt), result))
    assert len(files(store)) == 12
    last = JobCheckpoint(store, job_id, PLAN).result(make_window(0))
    assert last is not None
    assert last.text == " 11"


def attempt(store: LocalStore, job_id: str, windows: int, *, crashes: bool, is_seen: bool = False) -> JobCheckpoint:
    """An attempt that decodes so many windows more, and dies with its worker or leaves in good order. is_seen: whether
    somebody noted that the worker died of its own."""
    checkpoint = JobCheckpoint(store, job_id, PLAN)
    checkpoint.begin()
    for _ in range(windows):
        checkpoint.save(make_window(), make_result())
    if crashes:
        assert checkpoint._log is not None
        checkpoint._log.close()  # as the end of a process does
        if is_seen:
            store.note_crash(job_id)
    else:
        checkpoint.end()
    return checkpoint


@pytest.mark.parametrize(
    ("attempts", "history"),
    [
        ("", History(0, 0, 0, False)),
        ("ended 0", History(0, 0, 0, False)),
        ("ended 5", History(0, 0, 0, False)),
        ("crash 0", History(1, 1, 1, True)),
        ("crash 2", History(1, 0, 0, True)),
        ("crash 2, ended 0", History(1, 0, 0, True)),
        ("crash 2, ended 1", History(1, 0, 0, False)),
        ("crash 0, ended 1", History(1, 0, 0, False)),
        ("crash 0, ended 0, crash 0, crash 0", History(3, 3, 3, True)),
        ("crash 0, crash 0, crash 1, crash 0", History(4, 1, 1, True)),
        (", ".join(["crash 1"] * 10), History(10, 0, 0, True)),
        ("unseen 0, unseen 0, unseen 0", History(3, 3, 0, True)),
        ("crash 0, unseen 0, crash 0", History(3, 3, 2, True)),
        ("unseen 0, crash 1, unseen 0", History(3, 1, 0, True)),
    ],
)
@pytest.mark.fault(2)
@pytest.mark.fault(112)
def test_only_crashes_without_a_window_in_a_row_are_strikes(
    store: LocalStore, job_id: str, attempts: str, history: History
) -> None:
    for kind, windows in (row.split() for row in attempts.split(", ") if row):
        attempt(store, job_id, int(windows), crashes=kind != "ended", is_seen=kind == "crash")
    assert JobCheckpoint(store, job_id, PLAN).history == history


@pytest.mark.fault(8)
def test_an_attempt_knows_that_another_has_begun_since(store: LocalStore, job_id: str) -> None:
    attempts = []
    for newest in range(3):
        attempts.append(attempt(store, job_id, 1, crashes=True))
        assert [one.is_overtaken for one in attempts] == [True] * newest + [False]


def test_an_attempt_may_be_ended_twice(store: LocalStore, job_id: str) -> None:
    attempt(store, job_id, 1, crashes=False).end()
    assert JobCheckpoint(store, job_id, PLAN).history.deaths == 0


def test_a_crash_noted_after_an_attempt_has_ended_is_none(store: LocalStore, job_id: str) -> None:
    """A slot holds its lease a moment longer than its attempt lasts."""
    attempt(store, job_id, 0, crashes=False)
    store.note_crash(job_id)
    assert JobCheckpoint(store, job_id, PLAN).history == History()


def test_a_crash_is_noted_of_the_newest_attempt_alone(store: LocalStore, job_id: str) -> None:
    store.note_crash(job_id)
    assert files(store) == [], "there is none yet"
    for _ in range(2):
        attempt(store, job_id, 0, crashes=True)
    store.note_crash(job_id)
    store.note_crash(job_id)
    assert [one.is_noted for one in store.attempts(job_id)] == [False, True]
    store.drop_checkpoints(job_id)
    assert files(store) == []
    store.delete(job_id)
    store.note_crash(job_id)


def test_whatever_is_cut_off_the_whole_lines_count(store: LocalStore, job_id: str) -> None:
    keep(store, job_id, *((make_window(index), make_result(f" Grüße {index}")) for index in range(3)))
    (path,) = files(store)
    content = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    for length in range(0, len(content) + 1, 7):
        path.write_bytes(content[:length])
        known = JobCheckpoint(store, job_id, PLAN)
        whole = max(0, sum(end <= length for end in ends) - 1)  # without the plan
        assert [known.result(make_window(index)) is not None for index in range(3)] == [at < whole for at in range(3)]


def test_rubbish_in_a_file_ends_it(store: LocalStore, job_id: str) -> None:
    keep(store, job_id, *((make_window(index), make_result()) for index in range(3)))
    (path,) = files(store)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\0\0\0\n", *lines[3:]]))
    known = JobCheckpoint(store, job_id, PLAN)
    assert [known.result(make_window(index)) is not None for index in range(3)] == [True, False, False]


@pytest.mark.parametrize("other", [{**PLAN, "model": "small"}, {**PLAN, "options": {"beam_size": 1}}, {}])
def test_another_plan_starts_over(store: LocalStore, job_id: str, other: dict[str, Any]) -> None:
    keep(store, job_id, (make_window(), make_result()))
    assert JobCheckpoint(store, job_id, other).result(make_window()) is None
    assert JobCheckpoint(store, job_id, PLAN).result(make_window()) is not None


@pytest.mark.parametrize(("began", "now"), [(30.0, 13.0), (13.0, 30.0), (13.0, 13.0), (13.0, 20.0)])
def test_a_job_keeps_to_the_length_of_windows_it_began_with(
    store: LocalStore, job_id: str, began: float, now: float
) -> None:
    first = JobCheckpoint(store, job_id, PLAN, began)
    first.begin()
    first.save(make_window(), make_result())
    first.end()
    second = JobCheckpoint(store, job_id, PLAN, now)
    assert second.window_seconds == began
    assert second.result(make_window()) is not None
    assert JobCheckpoint(store, job_id, {**PLAN, "model": "small"}, now).window_seconds == now


def test_a_window_that_lies_elsewhere_is_another(store: LocalStore, job_id: str) -> None:
    keep(store, job_id, (make_window(1, seconds=2.0, start=3.0), make_result()))
    known = JobCheckpoint(store, job_id, PLAN)
    assert known.result(make_window(1, seconds=2.0, start=3.0)) is not None
    for other in (
        make_window(2, seconds=2.0, start=3.0),
        make_window(1, seconds=2.5, start=3.0),
        make_window(1, seconds=2.0, start=3.1),
    ):
        assert known.result(other) is None


def test_on_a_full_disk_the_job_goes_on_and_it_is_said_once(
    store: LocalStore, job_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: str) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "begin_attempt", full)
    checkpoint = JobCheckpoint(store, job_id, PLAN)
    checkpoint.begin()
    for index in range(3):
        checkpoint.save(make_window(index), make_result())
    checkpoint.end()
    assert caplog.text.count("goes on without a checkpoint") == 1


def test_a_job_deleted_meanwhile_is_no_error(store: LocalStore, job_id: str) -> None:
    checkpoint = JobCheckpoint(store, job_id, PLAN)
    store.delete(job_id)
    checkpoint.begin()
    checkpoint.save(make_window(), make_result())
    checkpoint.end()
    assert files(store) == []


@pytest.mark.parametrize("odd", [-math.inf, math.nan])
def test_numbers_that_json_has_not_come_back_as_the_lowest(store: LocalStore, job_id: str, odd: float) -> None:
    keep(store, job_id, (make_window(), make_result(avg_logprob=odd)))
    known = JobCheckpoint(store, job_id, PLAN).result(make_window())
    assert known is not None
    assert known.avg_logprob == -sys.float_info.max
    content = files(store)[0].read_text()
    assert "Infinity" not in content
    assert "NaN" not in content


@pytest.mark.fault(115)
def test_fields_of_a_later_version_are_ignored_in_every_line(store: LocalStore, job_id: str) -> None:
    result = make_result(words=make_words(" Hello"), word_tokens=((1,),))
    keep(store, job_id, (make_window(), result))
    path = files(store)[0]
    plan, line = path.read_text().splitlines()
    path.write_text(f"{plan}\n{json.dumps(with_unknown_fields(json.loads(line)))}\n")
    assert JobCheckpoint(store, job_id, PLAN).result(make_window()) == result


def test_a_checkpoint_of_a_later_format_is_left_alone(store: LocalStore, job_id: str) -> None:
    """Its windows may be others; the recording is decoded again, and the file stays."""
    keep(store, job_id, (make_window(), make_result()))
    path = files(store)[0]
    path.write_text(path.read_text().replace('{"format": 1', '{"format": 2'))
    assert JobCheckpoint(store, job_id, PLAN).result(make_window()) is None
    assert files(store) == [path]


def test_voices_come_back_beside_the_results(store: LocalStore, job_id: str) -> None:
    pieces = (VoicePiece(3, 1, ((0.1, 1 / 3), (2.0, 4.5)), 2.75, "AAA="), VoicePiece(4, 0, ((5.0, 6.0),), 0.2))
    first = JobCheckpoint(store, job_id, PLAN)
    first.begin()
    first.save_voices(make_window(1), pieces)
    first.save(make_window(0), make_result())
    first.save_voices(make_window(0), ())
    first.end()
    first.save_voices(make_window(2), pieces)  # heard as the attempt had ended
    second = JobCheckpoint(store, job_id, PLAN)
    assert second.voices(make_window(0)) == ()
    assert second.voices(make_window(1)) == pieces
    assert second.voices(make_window(2)) is None
    assert (second.result(make_window(0)), second.result(make_window(1))) == (make_result(), None)
    assert JobCheckpoint(store, job_id, {**PLAN, "speakers": "other"}).voices(make_window(1)) is None
