"""From recordings to files, with a real service: what is written where, what is skipped, and what a crash leaves."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from docx import Document

from tests.acceptance.client.command import Command, interrupt
from tests.acceptance.live import LiveService, until
from tests.acceptance.subtitles import read_srt, read_vtt

ALL = ("txt", "srt", "vtt", "json", "tsv", "csv", "md", "docx")


@pytest.fixture
def command(tmp_path: Path, quick: LiveService) -> Command:
    return Command(tmp_path, quick.url)


def recordings(folder: Path, clip: Path, count: int) -> list[Path]:
    """Different ones: a byte behind the sound makes the difference, and none can hear it."""
    folder.mkdir(exist_ok=True)
    made = []
    for number in range(count):
        path = folder / f"talk {number}.wav"
        path.write_bytes(clip.read_bytes() + os.urandom(8))
        made.append(path)
    return made


def test_a_transcript_is_written_beside_its_recording_and_not_again(command: Command, clip: Path) -> None:
    [path] = recordings(command.home / "talks", clip, 1)
    assert command.lines("transcribe", path) == [str(path.with_suffix(".txt"))]
    written = path.with_suffix(".txt").read_text()
    assert written.strip()
    ended = command.run("transcribe", path)
    assert (ended.returncode, ended.stdout) == (0, b"")
    assert b"1 skipped" in ended.stderr
    path.with_suffix(".txt").write_text("mine")
    assert command.lines("transcribe", path, "-q", "--overwrite") == [str(path.with_suffix(".txt"))]
    assert path.with_suffix(".txt").read_text() == written


def test_all_formats_into_a_folder(command: Command, clip: Path, quick: LiveService) -> None:
    paths = recordings(command.home / "talks", clip, 2)
    (command.home / "talks" / "notes.txt").write_text("no recording")
    (command.home / "talks" / ".hidden.wav").write_bytes(b"x")
    before = quick.job_ids()
    printed = command.lines("transcribe", "talks", "--output_format", "all", "--output_dir", "out")
    out = command.home / "out"
    expected = {f"{path.stem}.{name}" for path in paths for name in ALL}
    assert {path.name for path in out.iterdir()} == expected
    assert sorted(printed) == sorted(f"out/{name}" for name in expected)
    assert len(quick.job_ids() - before) == 2
    stem = paths[0].stem
    assert read_srt((out / f"{stem}.srt").read_text()) == read_vtt((out / f"{stem}.vtt").read_text())
    assert json.loads((out / f"{stem}.json").read_text())["segments"]
    assert Document(io.BytesIO((out / f"{stem}.docx").read_bytes())).paragraphs[0].text == paths[0].name


def test_whispers_own_spellings_are_understood(command: Command, talk_file: Path) -> None:
    shutil.copy(talk_file, command.home / "talk.flac")
    options = ["--max_line_width", "20", "--max_line_count", "1", "--highlight_words", "False", "--language", "en"]
    command.lines("transcribe", "talk.flac", "-f", "srt,json", *options, "--word_timestamps", "True")
    cues = read_srt((command.home / "talk.srt").read_text())
    assert all(len(cue.text) <= 20 for cue in cues)
    assert json.loads((command.home / "talk.json").read_text())["words"]


def test_standard_input_goes_to_standard_output(command: Command, clip: Path) -> None:
    ended = command.run("transcribe", "-", "-f", "srt", stdin=clip.read_bytes())
    assert ended.returncode == 0, ended.stderr
    assert read_srt(ended.stdout.decode())
    assert ended.stderr == b""
    ended = command.run("transcribe", "-", stdin=b"")
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert b"empty" in ended.stderr


def test_patterns_and_equal_names(command: Command, clip: Path) -> None:
    for name in ("a.wav", "a.flac", "b.wav", "c.txt"):
        shutil.copy(clip, command.home / name)
    assert sorted(command.lines("transcribe", "*.*", "-f", "srt")) == ["a.flac.srt", "a.wav.srt", "b.srt"]


def test_text_as_it_comes_and_objects_for_programs(command: Command, talk_file: Path) -> None:
    told = command.lines("transcribe", talk_file, "--follow")
    assert len(told) > 3
    [row] = map(json.loads, command.lines("transcribe", talk_file, "--json", "-o", "out", "-f", "txt,srt"))
    assert (row["file"], row["status"]) == (str(talk_file), "finished")
    assert row["job"].startswith("job_")
    assert row["outputs"] == [f"out/{talk_file.stem}.txt", f"out/{talk_file.stem}.srt"]
    assert "".join(told).replace(" ", "") == (command.home / row["outputs"][0]).read_text().replace(" ", "").strip()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_a_name_that_is_no_text(command: Command, clip: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    shutil.copy(clip, command.home / name)
    ended = command.run("transcribe", name, "--json")
    assert ended.returncode == 0, ended.stderr
    assert (command.home / os.fsdecode(b"caf\xe9.txt")).read_text().strip()


def test_one_that_fails_keeps_no_other_back(command: Command, clip: Path) -> None:
    (command.home / "bad.wav").write_bytes(b"this is no recording" * 100)
    shutil.copy(clip, command.home / "good.wav")
    ended = command.run("transcribe", "bad.wav", "good.wav", "missing.wav")
    assert (ended.returncode, b"missing.wav" in ended.stderr) == (2, True)
    ended = command.run("transcribe", "bad.wav", "good.wav")
    assert (ended.returncode, ended.stdout) == (1, b"good.txt\n")
    assert b"bad.wav: " in ended.stderr
    assert b"1 failed" in ended.stderr
    assert not (command.home / "bad.txt").exists()


@pytest.mark.fault(150)
def test_a_second_run_after_a_kill_does_nothing_twice_and_misses_nothing(
    tmp_path: Path, slow: LiveService, clip: Path
) -> None:
    command = Command(tmp_path, slow.url)
    recordings(tmp_path / "talks", clip, 3)
    before = slow.job_ids()
    with command.started("transcribe", "talks", "-f", "srt") as process:
        until(lambda: len(slow.job_ids() - before) >= 2, "two recordings are jobs")
        process.send_signal(signal.SIGKILL)
    assert len(command.lines("transcribe", "talks", "-f", "srt")) >= 1
    assert {path.name for path in (tmp_path / "talks").iterdir()} == {
        f"talk {number}.{ending}" for number in range(3) for ending in ("wav", "srt")
    }
    assert len(slow.job_ids() - before) == 3


@pytest.mark.fault(151)
def test_ctrl_c_leaves_the_jobs_and_a_second_one_cancels_them(tmp_path: Path, slow: LiveService, clip: Path) -> None:
    command = Command(tmp_path, slow.url)
    recordings(tmp_path / "talks", clip, 1)
    for presses in (1, 2):
        before = slow.job_ids()
        with command.started(
            "transcribe", "talks", "-f", "srt", "-o", f"out{presses}", "--prompt", str(presses)
        ) as process:
            until(lambda before=before: len(slow.job_ids() - before) == 1, "it is a job")  # type: ignore[misc]
            interrupt(process)
            assert process.stderr is not None
            said = process.stderr.readline().decode()
            assert all(job_id in said for job_id in slow.job_ids() - before)
            if presses == 2:
                interrupt(process)
            assert process.wait(60) == 130
        states = {slow.ended(job_id)["status"] for job_id in slow.job_ids() - before}
        assert states == ({"finished"} if presses == 1 else {"canceled"})
    again = command.lines("transcribe", "talks", "-f", "srt", "-o", "out2", "--prompt", "2")
    assert len(again) == 1  # what was canceled is run again
