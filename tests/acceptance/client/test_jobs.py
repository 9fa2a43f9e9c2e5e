"""Jobs from the command line: handed in, listed, fetched, canceled and run again; and who may call."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.acceptance.client.command import Command, interrupt
from tests.acceptance.live import LiveService, until
from tests.acceptance.subtitles import read_srt


@pytest.fixture
def command(tmp_path: Path, quick: LiveService) -> Command:
    return Command(tmp_path, quick.url)


def test_a_job_from_its_id_to_its_transcript(command: Command, clip: Path, quick: LiveService) -> None:
    [job_id] = command.lines("transcribe", clip, "--no-wait", "--prompt", "of this test alone")
    quick.ended(job_id)
    assert any(line.startswith(f"{job_id}  finished  100%") and clip.name in line for line in command.lines("jobs"))
    listed = [json.loads(line) for line in command.lines("jobs", "--json", "-n", "500", "--status", "finished")]
    assert job_id in {job["id"] for job in listed}
    words = f"{clip.stem} W0.2"  # of its name and its text, which is indexed soon after its end
    until(lambda: job_id in "".join(command.lines("jobs", "--search", words)), "it is found")
    assert command.lines("jobs", "--search", "of no recording") == []
    assert read_srt("\n".join(command.lines("get", job_id, "-f", "srt")) + "\n")
    assert command.lines("get", job_id, "-f", "docx,txt", "-o", "out") == [
        f"out/{clip.stem}.docx",
        f"out/{clip.stem}.txt",
    ]
    [again] = [json.loads(line) for line in command.lines("retry", job_id, "--language", "de", "--json")]
    assert (again["id"] != job_id, again["language"]) == (True, "de")
    ended = command.run("cancel", job_id, "job_" + "0" * 28)
    assert ended.returncode == 1
    assert b"has ended already" in ended.stderr
    assert b"There is no job" in ended.stderr


def test_a_job_that_waits_is_canceled_and_runs_again(
    tmp_path: Path, slow: LiveService, clip: Path, long_file: Path
) -> None:
    command = Command(tmp_path, slow.url)
    [ahead] = command.lines("transcribe", long_file, "--no-wait")  # half a minute, in which the others wait
    [job_id] = command.lines("transcribe", clip, "--no-wait", "--prompt", "to be canceled")
    assert "canceled" in command.lines("cancel", job_id)[0]
    again = until(lambda: command.run("retry", job_id).stdout.decode(), "the worker has let go of it")
    assert again.startswith(job_id)
    assert command.run("get", job_id, "--no-wait").returncode == 1
    assert "canceled" in command.lines("cancel", ahead)[0]
    assert command.lines("get", job_id)


def test_models_of_the_server(command: Command) -> None:
    assert any(line.endswith(" whisper-1") for line in command.lines("models"))
    assert all(json.loads(line)["object"] == "model" for line in command.lines("models", "--json"))


def test_exit_codes_say_what_is_wrong(tmp_path: Path, keyed: LiveService, clip: Path) -> None:
    nobody = Command(tmp_path, "http://127.0.0.1:1")
    ended = nobody.run("transcribe", clip)
    assert ended.returncode == 3
    assert b"whisper-native serve" in ended.stderr
    for key in ({}, {"WHISPER_KEY": "wrong"}):
        refused = Command(tmp_path, keyed.url, key).run("transcribe", clip)
        assert refused.returncode == 4
        assert b"whisper-native login" in refused.stderr
    assert Command(tmp_path, keyed.url, {"WHISPER_KEY": str(keyed.key)}).lines("models")
    for wrong in ([], [clip, "-f", "odt"], [clip, "--bad"], [clip, "--max-line-width", "0"], ["missing.wav"]):
        assert nobody.run("transcribe", *wrong).returncode == 2
    big = tmp_path / "big.wav"
    big.write_bytes(os.urandom(2 * 1024 * 1024))  # of a megabyte at most
    too_large = Command(tmp_path, keyed.url, {"WHISPER_KEY": str(keyed.key)}).run("transcribe", big)
    assert too_large.returncode == 1
    assert b"WHISPER_MAX_UPLOAD_MB" in too_large.stderr


def test_a_login_is_checked_kept_private_and_used(tmp_path: Path, keyed: LiveService) -> None:
    command = Command(tmp_path)
    assert command.run("login", "--url", keyed.url, "--key", "wrong").returncode == 4
    assert command.run("login", "--url", f"{keyed.url}/v1", stdin=f"{keyed.key}\n".encode()).returncode == 0
    [stored] = (tmp_path / ".config").rglob("config.toml")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert command.lines("models")
    assert Command(tmp_path, "http://127.0.0.1:1").run("models").returncode == 3  # the environment comes first


def test_no_key_goes_to_a_server_it_was_not_given_for(tmp_path: Path, keyed: LiveService) -> None:
    own = {"OPENAI_API_KEY": str(keyed.key)}
    assert Command(tmp_path, keyed.url, own).run("models").returncode == 4
    assert Command(tmp_path, "", {**own, "OPENAI_BASE_URL": f"{keyed.url}/v1"}).lines("models")
    elsewhere = {"WHISPER_URL": "http://127.0.0.1:1", "WHISPER_KEY": str(keyed.key)}
    assert Command(tmp_path, "", elsewhere).run("models", "--url", keyed.url).returncode == 4


def test_a_folder_is_watched(command: Command, clip: Path) -> None:
    for name in ("in", "in/deep"):
        (command.home / name).mkdir()
    shutil.copy(clip, command.home / "in" / "first.wav")
    options = ["-o", "out", "--move", "done", "--interval", "0.1", "--recursive"]
    with command.started("watch", "in", *options) as process:
        until((command.home / "out" / "first.txt").exists, "what was there is transcribed")
        arriving = command.home / "in" / "deep" / "second.wav.part"
        shutil.copy(clip, arriving)
        shutil.copy(clip, command.home / "in" / "notes.md")
        arriving.rename(arriving.with_suffix(""))
        until((command.home / "done" / "deep" / "second.wav").exists, "what came is moved")
        assert (command.home / "out" / "deep" / "second.txt").read_text().strip()
        interrupt(process)
        assert process.wait(60) == 130
    assert sorted(path.name for path in (command.home / "in").rglob("*")) == ["deep", "notes.md"]
