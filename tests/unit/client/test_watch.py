"""A folder is watched through what happens to it: nothing that is gone by then ends it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from whisper_native.cli.watch import _Folder, _move
from whisper_native.recordings.arrivals import Arrivals
from whisper_native.recordings.sources import Source
from whisper_native.running.display import Display


def test_a_recording_that_is_gone_when_it_is_to_be_moved_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, there = (Source(tmp_path / name, name, tmp_path, Path("deep")) for name in ("gone.wav", "there.wav"))
    there.path.write_bytes(b"sound")
    for source in (gone, there):
        _move(source, tmp_path / "done", Display())
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
