"""Which recordings are meant, where their transcripts go, and when a new one is whole."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from whisper_native.cli.configuration import Address, address, store
from whisper_native.cli.options import _without_values
from whisper_native.errors import Failure
from whisper_native.recordings.arrivals import Arrivals
from whisper_native.recordings.content import read
from whisper_native.recordings.outputs import plans, write
from whisper_native.recordings.sources import NotFound, Scratch, Source, sources


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    for name in ("a.mp3", "a.wav", "b.M4A", "notes.txt", ".hidden.wav", "deep/c.opus", "deep/.d/e.wav"):
        path = tmp_path / "talks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    return tmp_path / "talks"


def named(*arguments: str, recursive: bool = False) -> list[str]:
    with Scratch() as scratch:
        return [source.name for source in sources(arguments, recursive=recursive, scratch=scratch)]


def test_folders_patterns_and_files(talks: Path) -> None:
    assert named(str(talks)) == ["a.mp3", "a.wav", "b.M4A"]
    assert named(str(talks), recursive=True) == ["a.mp3", "a.wav", "b.M4A", "c.opus"]
    assert named(str(talks / "**" / "*")) == ["a.mp3", "a.wav", "b.M4A", "c.opus"]
    assert named(str(talks / "notes.txt"), str(talks / "a.mp3"), str(talks / "*.mp3")) == ["notes.txt", "a.mp3"]
    with pytest.raises(NotFound, match=r"none\.mp3"):
        named("none.mp3")


def test_a_name_that_cannot_be_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot be read") as raised:
        sources(("a" * 5000,), recursive=False, scratch=tmp_path)
    assert len(str(raised.value)) < 300


def test_an_address_needs_yt_dlp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="yt-dlp"):
        named("https://example.com/talk")
    if sys.platform != "win32":
        program, script = tmp_path / "yt-dlp", tmp_path / "script.py"
        write = 'open(sys.argv[6].replace("%(title).150B.%(ext)s", "t.m4a"), "w").write("x")'
        script.write_text(f"import sys\n{write}\n")
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')  # its path may have a space
        program.chmod(0o755)
        assert named("https://example.com/talk") == ["t.m4a"]


def test_transcripts_lie_beside_or_below_and_never_on_each_other(talks: Path, tmp_path: Path) -> None:
    with Scratch() as scratch:
        found = sources((str(talks),), recursive=True, scratch=scratch)
    beside = {
        str(path.relative_to(talks))
        for plan in plans(found, ["srt"], None, to_stdout=False)
        for path in plan.outputs.values()
        if path
    }
    assert beside == {"a.mp3.srt", "a.wav.srt", "b.srt", "deep/c.srt".replace("/", os.sep)}
    elsewhere = [
        path for plan in plans(found, ["srt"], tmp_path / "out", to_stdout=False) for path in plan.missing.values()
    ]
    assert tmp_path / "out" / "deep" / "c.srt" in elsewhere
    assert {path for plan in plans(found, ["srt"], None, to_stdout=True) for path in plan.outputs.values()} == {None}


def test_recordings_of_several_folders_keep_their_transcripts_apart(tmp_path: Path) -> None:
    for name in ("x/a.mp3", "y/a.mp3", "y/b.mp3", "z/x/a.mp3", "z/a.mp3", "z/a.mp3.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    chosen = (str(tmp_path / "x"), str(tmp_path / "y"), str(tmp_path / "z" / "x" / "a.mp3"))
    found = sources(chosen, recursive=False, scratch=tmp_path)
    out = tmp_path / "out"
    shown = [plan.outputs["txt"] for plan in plans(found, ["txt"], out, to_stdout=False)]
    assert shown == [out / "x/a.mp3.txt", out / "y/a.mp3.txt", out / "b.txt", out / "x/a.mp3 (2).txt"]
    odd = [tmp_path / "z" / name for name in ("a.mp3", "a.mp3.mp3", "a.wav")]
    beside = plans([Source(path, path.name, path.parent) for path in odd], ["txt"], None, to_stdout=False)
    assert len({plan.outputs["txt"] for plan in beside}) == 3
    fetched = [Source(tmp_path / "scratch" / name / "talk.m4a", "talk.m4a", Path()) for name in "12"]
    shown = [plan.outputs["txt"] for plan in plans(fetched, ["txt"], None, to_stdout=False)]
    assert shown == [Path("talk.m4a.txt"), Path("talk.m4a (2).txt")]


def test_an_output_is_written_whose_name_is_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / f"{'会' * 83}.txt"
    write(path, b"1")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_output_is_whole_or_not_there(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "a.srt", b"1")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.srt"]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Failure, match="cannot be written"):
        write(tmp_path / "file" / "a.srt", b"1")


def test_the_key_follows_from_content_and_wishes(talks: Path) -> None:
    never = threading.Event()
    one, other = (read(talks / name, name, lambda done: None, never) for name in ("a.mp3", "a.wav"))
    assert one.key({"language": "de"}, "base") == other.key({"language": "de"}, "base")
    assert len({one.key({}, "base"), one.key({"language": "de"}, "base"), one.key({}, "small")}) == 3
    with pytest.raises(Failure, match="cannot be read"):
        read(talks, "talks", lambda done: None, never)


def test_a_recording_has_arrived_once_it_no_longer_changes(talks: Path) -> None:
    arrivals = Arrivals(talks, recursive=True, without=[talks / "deep"])
    assert arrivals.look() == []
    assert [source.name for source in arrivals.look()] == ["a.mp3", "a.wav", "b.M4A"]
    assert arrivals.look() == []
    (talks / "new.wav").write_bytes(b"half")
    (talks / "late.mp3.part").write_bytes(b"half")
    (talks / "empty.wav").touch()
    assert arrivals.look() == []
    (talks / "new.wav").write_bytes(b"half and whole")
    assert arrivals.look() == []
    assert [source.name for source in arrivals.look()] == ["new.wav"]


def test_whispers_switches_may_have_a_value() -> None:
    assert _without_values(["--highlight_words", "True", "a.mp3"]) == ["--highlight_words", "a.mp3"]
    assert _without_values(["a.mp3", "--word-timestamps", "false"]) == ["a.mp3"]
    assert _without_values(["True", "--model", "False"]) == ["True", "--model", "False"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_first_that_names_a_server_also_says_its_key(home: Path) -> None:
    openai = {"OPENAI_BASE_URL": "https://api.example.com/v1", "OPENAI_API_KEY": "sk-o"}
    own = {"WHISPER_URL": "http://nas:9001", "WHISPER_KEY": "sk-w"}
    assert address(None, None, {}) == Address("http://localhost:9001")
    assert address(None, None, {"OPENAI_API_KEY": "sk-o"}) == Address("http://localhost:9001")
    assert address(None, None, openai) == Address("https://api.example.com/v1", "sk-o")
    assert address(None, None, {**openai, **own}) == Address("http://nas:9001", "sk-w")
    assert address(None, "sk-x", {**openai, **own}) == Address("http://nas:9001", "sk-x")
    assert address("http://other:1", None, {**openai, **own}) == Address("http://other:1")
    assert address("http://nas:9001/v1", None, own) == Address("http://nas:9001/v1", "sk-w")
    store(Address("http://stored:9001", "sk-\"s'ü"))
    assert address(None, None, {}) == Address("http://stored:9001", "sk-\"s'ü")
    assert address("http://stored:9001", None, {}).key == "sk-\"s'ü"
    assert address("http://other:1", None, {}).key is None
