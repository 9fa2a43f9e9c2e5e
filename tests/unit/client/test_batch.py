"""A run of many recordings, in one process: results in order, other servers, and bars that say how far it is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.client.test_server import Stand
from whisper_native.cli.main import run as run_command
from whisper_native.recordings.outputs import Plan
from whisper_native.recordings.sources import Source
from whisper_native.running.display import Bars

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "whisper_native"]


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.close()


def command(monkeypatch: pytest.MonkeyPatch, stand: Stand, *arguments: str | Path) -> tuple[int, bytes]:
    """The exit code, and what it prints on standard output."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, write_through=True))
    monkeypatch.setattr(sys, "argv", ["whisper-native", *map(str, arguments), "--url", stand.url, "--patience", "0"])
    return run_command(), printed.getvalue()


def test_another_server_gets_each_recording_once_for_every_format(
    monkeypatch: pytest.MonkeyPatch, stand: Stand, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    stand.put("/v1/audio/transcriptions", (200, {}, b"the transcript\n"))
    code, printed = command(monkeypatch, stand, "transcribe", tmp_path / "a.wav", "-f", "txt,srt")
    assert (code, printed.decode().split()) == (0, [str(tmp_path / "a.txt"), str(tmp_path / "a.srt")])
    assert (tmp_path / "a.txt").read_text() == "the transcript\n"
    assert sum(path == "/v1/audio/transcriptions" for _, path, *_ in stand.requests) == 2
    followed = command(monkeypatch, stand, "transcribe", tmp_path / "a.wav", "--follow")
    assert followed == (0, b"the transcript\n")  # it has nothing to tell before the end


def test_a_folder_without_recordings_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.wav").write_bytes(b"sound")
    assert command(monkeypatch, stand, "transcribe", tmp_path) == (0, b"")
    assert f"No recordings were found: {tmp_path}. With --recursive" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(401, 4), (429, 5), (503, 3), (400, 1)])
def test_the_exit_code_says_whose_failure_it_is(
    monkeypatch: pytest.MonkeyPatch, stand: Stand, tmp_path: Path, status: int, code: int
) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(name.encode())
    stand.put("/v1/info", (200, {"name": "whisper-native"}))
    stand.put("/v1/jobs", (status, {"error": {"message": "No.", "code": "no"}}))
    assert command(monkeypatch, stand, "transcribe", tmp_path, "-q") == (code, b"")


def test_objects_say_what_failed(monkeypatch: pytest.MonkeyPatch, stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    stand.put("/v1/info", (200, {"name": "whisper-native"}))
    stand.put("/v1/jobs", (413, {"error": {"message": "Too large.", "code": "file_too_large"}}))
    code, printed = command(monkeypatch, stand, "transcribe", tmp_path / "a.wav", "--json")
    row = json.loads(printed)
    assert (code, row["status"], row["error"]) == (1, "failed", {"code": "file_too_large", "message": "Too large."})


def test_jobs_of_recordings_with_one_name_get_a_file_each(
    monkeypatch: pytest.MonkeyPatch, stand: Stand, tmp_path: Path
) -> None:
    stand.put("/v1/info", (200, {"name": "whisper-native"}))
    for job_id in ("job_1", "job_2"):
        stand.put(f"/v1/jobs/{job_id}", (200, {"id": job_id, "status": "finished", "file": {"name": "talk.mp3"}}))
        stand.put(f"/v1/jobs/{job_id}/transcript", (200, {}, job_id.encode()))
    code, _ = command(monkeypatch, stand, "get", "job_1", "job_2", "job_1", "-o", tmp_path)
    assert code == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "talk.txt": "job_1",
        "talk job_2.txt": "job_2",
    }


def test_bars_have_a_stage_and_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    bars = Bars()
    plan = Plan(Source(Path("x"), "a very long [name] of a recording that nobody can read.mp3", Path()))
    bars.stage(plan, "uploading", 10, 100)
    bars.stage(plan, "transcribing", 30, 60)
    bars._progress.refresh()
    bars.message("[red] is text")
    bars.gone(plan)
    bars.close()
    assert "50%" in shown.getvalue()
    assert "transcribing" in shown.getvalue()
    assert "[red] is text" in shown.getvalue()
    assert "[name]" in shown.getvalue()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_completes_commands_and_options(shell: str) -> None:
    script = subprocess.run([*COMMAND, "completion", shell], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "_WHISPER_NATIVE_COMPLETE" in script.stdout
    for begun, expected in ((["tra"], "transcribe"), (["transcribe", "--max-line-w"], "--max-line-width")):
        words = " ".join(["whisper-native", *begun])
        given = {"COMP_WORDS": words, "COMP_CWORD": begun[-1] if shell == "fish" else str(len(begun))}
        environment = {**os.environ, **given, "_WHISPER_NATIVE_COMPLETE": f"{shell}_complete"}
        completed = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert expected in completed.stdout, (words, completed.stdout, completed.stderr)
