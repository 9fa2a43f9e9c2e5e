"""A folder is watched through what happens to it: nothing that is gone by then ends it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from whisper_native.cli.watch import _Folder, _Moves
from whisper_native.recordings.arrivals import Arrivals
from whisper_native.recordings.outputs import Made, plans, write
from whisper_native.recordings.sources import Source
from whisper_native.running.display import Display


def test_a_recording_that_is_gone_when_it_is_to_be_moved_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, there = (Source(tmp_path / name, name, tmp_path, Path("deep")) for name in ("gone.wav", "there.wav"))
    there.path.write_bytes(b"sound")
    for source in (gone, there):
        _Moves(tmp_path / "done", {}, Display()).take(source)
    assert "gone.wav cannot be moved" in capsys.readouterr().err
    assert (tmp_path / "done" / "deep" / "there.wav").exists()


def test_a_folder_that_is_away_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "share"
    path.mkdir()
    (path / "a.wav").write_bytes(b"sound")
    folder = _Folder(Arrivals(path, recursive=False), path, Display())
    folder.look()
    shutil.move(path, tmp_path / "away")
    assert (folder.look(), folder.look()) == ([], [])
    shutil.move(tmp_path / "away", path)
    assert [source.name for source in folder.look()] == ["a.wav"]
    assert capsys.readouterr().err.count("cannot be read") == 1


def done(path: Path, at: float, made: Made) -> str:
    """What the transcript of a recording is called that is made at this time, a second after it was written unless it
    is there. at: unix seconds."""
    path.write_bytes(b"sound")
    os.utime(path, (at, at))
    [plan] = plans([Source(path, path.name, path.parent)], ["txt"], None, to_stdout=False, made=made)
    [output] = plan.outputs.values()
    assert output is not None
    if plan.missing:
        output.write_text("words")
        os.utime(output, (at + 1, at + 1))
    return output.name


def test_no_recording_is_left_out_because_another_has_the_name_of_its_transcript(tmp_path: Path) -> None:
    """a.wav comes after a.mp3; or another a.mp3 once the first was moved."""
    made: Made = {}
    moves = _Moves(tmp_path / "done", made, Display())

    def arrives(name: str) -> str:
        return done(tmp_path / name, 1.0, made)

    assert arrives("a.mp3") == "a.txt"
    assert arrives("a.wav") == "a (2).txt"
    assert arrives("a.mp3") == "a.txt"
    moves.take(Source(tmp_path / "a.mp3", "a.mp3", tmp_path))
    assert arrives("a.mp3") == "a (3).txt"


def test_after_a_start_a_recording_is_known_to_be_another_by_its_time(tmp_path: Path) -> None:
    """The first one was moved or deleted meanwhile, or written anew."""
    assert done(tmp_path / "a.mp3", 10.0, {}) == "a.txt"
    for _ in range(2):
        assert done(tmp_path / "a.wav", 20.0, {}) == "a (2).txt"
    assert done(tmp_path / "a.mp3", 10.0, {}) == "a.txt", "which is done"
    assert done(tmp_path / "a.mp3", 30.0, {}) == "a (3).txt"
    assert (tmp_path / "a.txt").stat().st_mtime == 11.0, "no transcript is written over"


def test_a_transcript_is_no_older_than_its_recording_whose_clock_was_ahead(tmp_path: Path) -> None:
    recording, output = tmp_path / "a.mp3", tmp_path / "a.txt"
    recording.write_bytes(b"sound")
    ahead = recording.stat().st_mtime_ns + 3600 * 10**9
    os.utime(recording, ns=(ahead, ahead))
    write(output, b"words", recording)
    [plan] = plans([Source(recording, "a.mp3", tmp_path)], ["txt"], None, to_stdout=False, made={})
    assert (plan.outputs, plan.missing) == ({"txt": output}, {})
