"""A recording that is read in a process of its own gives what it gives in this one, and no process outlives its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engines.audio.recordings import messages, reader_process, reader_processes
from engines.audio.recordings.read_ahead import AHEAD
from engines.audio.recordings.reader_process import PROGRAM
from engines.audio.recordings.reader_processes import ReaderProcesses
from engines.audio.recordings.recording import OpenRecording, Wanted, read_here
from engines.base import Listening
from engines.errors import AudioTooLong, Canceled, EmptyAudio, TrackNotFound, UnsupportedMedia
from tests import media, odd_media
from tests.conftest import ROOT, Sample
from tests.unit.factories import DEADLINE, wait_for

Samples = Any
MOST = 2


def go_on() -> None:
    return


@pytest.fixture(scope="module")
def talk(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes in which somebody speaks: five windows or so."""
    voice = np.concatenate([np.zeros(16_000, np.float32), media.read(sample.path)])
    return media.write(tmp_path_factory.mktemp("talk") / "talk.mp3", np.tile(voice, 10))


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderProcesses]:
    monkeypatch.setattr(reader_processes, "LONG_FILE", 1)
    readers = ReaderProcesses(MOST)
    yield readers
    readers.close()
    wait_for(lambda: not running())


def running() -> list[psutil.Process]:
    """The processes that read for this one."""
    return [each for each in psutil.Process().children() if PROGRAM in each.cmdline()]


def has_ended(process: psutil.Process) -> bool:
    """Also if nobody has asked for its end."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def wanted(path: Path, track: int | None = None, max_seconds: float = 1e6) -> Wanted:
    return Wanted(path, Listening(track=track), 30.0, max_seconds)


def heard(open_recording: OpenRecording, what: Wanted) -> list[object]:
    """All that is known of a recording."""
    with open_recording(what, go_on) as recording:
        windows = [(each.samples.tobytes(), each.pieces, each.spans) for each in recording]
        known = (recording.track, recording.decoded, recording.expected, recording.peaks, recording.is_silent)
        return [windows, known, recording.warnings()]


def test_it_gives_what_reading_here_gives(readers: ReaderProcesses, talk: Path, tmp_path: Path) -> None:
    silence = np.zeros(16_000 * 40, np.float32)
    two = odd_media.tracks(tmp_path / "two.mkv", [silence, media.read(talk)[: 16_000 * 40]])
    for path in (
        talk,
        media.truncated(tmp_path / "cut.mp3", talk, 0.6),
        media.flipped(tmp_path / "bad.mp3", talk),
        two,
        media.write(tmp_path / "silence.flac", silence),
    ):
        assert heard(readers.open, wanted(path)) == heard(read_here, wanted(path)), path.name
    assert heard(readers.open, wanted(two, track=1)) == heard(read_here, wanted(two, track=1))
    assert len(running()) == 1, "each recording was read by the same process"


def test_one_that_was_prepared_reads_the_first_recording(readers: ReaderProcesses, talk: Path) -> None:
    readers.prepare(0)
    assert running() == []
    readers.prepare(MOST)
    before = running()
    assert len(before) == 1
    assert heard(readers.open, wanted(talk)) == heard(read_here, wanted(talk))
    readers.prepare(MOST)
    assert running() == before


def test_windows_may_be_written_to(readers: ReaderProcesses, talk: Path) -> None:
    with readers.open(wanted(talk), go_on) as recording:
        for speech in recording:
            assert speech.samples.dtype == np.float32
            assert speech.samples.flags.writeable


def test_several_are_read_at_once_and_what_finds_no_process_is_read_here(readers: ReaderProcesses, talk: Path) -> None:
    everybody = threading.Barrier(MOST + 1)
    found: list[list[object]] = []

    def read() -> None:
        with readers.open(wanted(talk), go_on) as recording:
            everybody.wait(DEADLINE)
            found.append([each.samples.tobytes() for each in recording])

    threads = [threading.Thread(target=read) for _ in range(MOST + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(running()) == MOST
    assert found == [found[0]] * (MOST + 1)
    assert len(found[0]) >= 4
    readers.end_idle(after=0)
    assert len(running()) == 1, "one is kept for the next recording"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path, talk: wanted(media.random_bytes(path)), UnsupportedMedia),
        (lambda path, talk: wanted(media.header_only_wav(path)), EmptyAudio),
        (lambda path, talk: wanted(talk, track=7), TrackNotFound),
        (lambda path, talk: wanted(talk, max_seconds=60), AudioTooLong),
    ],
)
def test_its_errors_are_those_of_reading_here(
    readers: ReaderProcesses,
    talk: Path,
    tmp_path: Path,
    make: Callable[[Path, Path], Wanted],
    error: type[Exception],
) -> None:
    what = make(tmp_path / "source", talk)
    with pytest.raises(error) as here:
        heard(read_here, what)
    with pytest.raises(error) as there:
        heard(readers.open, what)
    assert (str(there.value), vars(there.value)) == (str(here.value), {**vars(here.value), **notes(there.value)})
    assert "reader_program.py" in notes(there.value)["__notes__"][0], "it says where it arose"
    before = running()
    assert len(heard(readers.open, wanted(talk))) == 3
    assert running() == before, "its process goes on"


def notes(error: BaseException) -> dict[str, list[str]]:
    return {"__notes__": error.__notes__}


def test_a_recording_that_is_gone_is_an_error_as_here(readers: ReaderProcesses, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        heard(readers.open, wanted(tmp_path / "gone"))


def test_whoever_is_called_off_ends_it_also_where_nobody_speaks(readers: ReaderProcesses, tmp_path: Path) -> None:
    """An hour without a window: the check is asked all the same."""
    path = odd_media.wav(tmp_path / "silence.wav", np.zeros(16_000 * 3600, np.int16))
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 4:
            raise Canceled()

    with pytest.raises(Canceled), readers.open(wanted(path), check) as recording:
        list(recording)
    assert running() == [], "what it was reading is of no use to anybody"
    assert heard(readers.open, wanted(path))[0] == []


def test_who_takes_nothing_lets_the_process_wait(readers: ReaderProcesses, talk: Path, tmp_path: Path) -> None:
    path = media.write(tmp_path / "long.flac", np.tile(media.read(talk), 5))
    with readers.open(wanted(path), go_on) as recording:
        windows = iter(recording)
        next(windows)
        (process,) = running()
        used: list[float] = []

        def rests() -> bool:
            used.append(sum(process.cpu_times()[:2]))
            return len(used) > 20 and used[-1] == used[-20]

        wait_for(rests)
        assert recording.decoded < 30 * (AHEAD + 4)
        assert len(list(windows)) >= 2 * AHEAD


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("windows", [0, 1])
def test_a_process_that_hangs_is_left_by_whoever_is_called_off(
    readers: ReaderProcesses, talk: Path, windows: int
) -> None:
    """Before it has opened the recording, too."""
    is_over = threading.Event()

    def check() -> None:
        if is_over.is_set():
            raise Canceled()

    def hang() -> None:
        running()[0].send_signal(signal.SIGSTOP)
        threading.Timer(0.2, is_over.set).start()

    def read() -> None:
        if not windows:
            hang()
        with readers.open(wanted(talk), check) as recording:
            for _ in recording:
                hang()

    readers.prepare(MOST)
    heard(readers.open, wanted(talk))
    (process,) = running()
    with pytest.raises(Canceled):
        read()
    assert not process.is_running()
    assert len(heard(readers.open, wanted(talk))) == 3


@pytest.mark.parametrize("start", ["import nothing_of_that_name", "print('hello ' * 100)", "raise SystemExit(3)"])
def test_a_process_that_cannot_start_leaves_its_recording_to_the_worker(
    readers: ReaderProcesses, talk: Path, start: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader_process, "_START", start + reader_process._START)
    for _ in range(MOST + 1):
        assert heard(readers.open, wanted(talk)) == heard(read_here, wanted(talk))
    assert running() == []
    said = [record.message for record in caplog.records if "is read in the worker" in record.message]
    assert len(said) == MOST + 1
    if "nothing_of_that_name" in start:
        wait_for(lambda: "No module named 'nothing_of_that_name'" in caplog.text)


def test_a_process_of_another_version_is_not_used(
    readers: ReaderProcesses, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "HELLO", messages.HELLO.replace(b"format 1", b"format 0"))
    assert heard(readers.open, wanted(talk)) == heard(read_here, wanted(talk))
    assert running() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.fault(201)
@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("SIGSEGV", UnsupportedMedia, r"crashes the decoder \(SIGSEGV\), some time after \d+ s. Convert it"),
        ("SIGKILL", RuntimeError, r"ended \(SIGKILL\)"),
    ],
)
def test_a_process_that_ends_takes_nobody_along(
    readers: ReaderProcesses, talk: Path, name: str, error: type[Exception], says: str
) -> None:
    with readers.open(wanted(talk), go_on) as other:
        others = iter(other)
        first = next(others)
        before = running()
        with readers.open(wanted(talk), go_on) as recording:
            windows = iter(recording)
            next(windows)
            (process,) = set(running()) - set(before)
            process.send_signal(signal.Signals[name])
            with pytest.raises(error, match=says):
                list(windows)
        rest = list(others)
    assert [first.samples.tobytes(), *(each.samples.tobytes() for each in rest)] == [
        samples
        for samples, _, _ in heard(readers.open, wanted(talk))[0]  # type: ignore[attr-defined]
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_what_stops_the_service_does_not_stop_what_is_in_hand(readers: ReaderProcesses, talk: Path) -> None:
    with readers.open(wanted(talk), go_on) as recording:
        windows = iter(recording)
        found = [next(windows)]
        (process,) = running()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        found += windows
    assert len(found) >= 4
    assert running() == [process]


_OWNER = """
import sys
from pathlib import Path
from engines.audio.recordings import messages, reader_process, reader_processes
from engines.audio.recordings.recording import Wanted
from engines.base import Listening
reader_processes.LONG_FILE = 1
with reader_processes.ReaderProcesses(1).open(Wanted(Path(sys.argv[1]), Listening(), 30.0, 1e6), lambda: None) as one:
    for _ in one:
        print("heard", flush=True)
        sys.stdin.read()
"""


@pytest.mark.fault(202)
def test_it_ends_with_its_owner_however_that_ends(talk: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(talk)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"heard\n"
        (process,) = psutil.Process(owner.pid).children()
        assert PROGRAM in process.cmdline()
        owner.kill()
    wait_for(lambda: has_ended(process))
