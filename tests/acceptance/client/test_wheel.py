"""The wheel: one name in site-packages, three packages for the client, and the service, which runs from it."""

from __future__ import annotations

import sys
import time
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.acceptance.client.wheel import ROOT, build, empty_environment, install, run
from tests.accuracy import normalised
from tests.conftest import Sample
from worker.runtime.version import VERSION

SHIPPED = (".py", ".html", ".js", ".css", ".svg", ".gz")  # what the service consists of, its page among it


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def test_a_wheel_has_one_name_and_a_client_that_needs_three_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = f"whisper_native-{VERSION}.dist-info"
        assert {name.partition("/")[0] for name in names} == {"whisper_native", info}
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        required = metadata.get_all("Requires-Dist", [])
        assert len([row for row in required if "extra ==" not in row]) == 3
        assert any(row.startswith("faster-whisper") and "server" in row for row in required)
        assert "whisper-native = whisper_native.__main__:main" in archive.read(f"{info}/entry_points.txt").decode()
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name or name.endswith(".env")]
    assert wheel.stat().st_size < 2_000_000
    for floor in ("api", "worker", "engines"):
        theirs = {str(path.relative_to(ROOT)) for path in (ROOT / floor).rglob("*") if path.suffix in SHIPPED}
        assert {f"whisper_native/_service/{name}" for name in theirs} <= set(names)


def test_the_service_runs_from_the_wheel_with_its_data_in_the_state_folder(
    wheel: Path, tmp_path: Path, sample: Sample
) -> None:
    """Unpacked, beside the packages that are here; test_an_empty_environment_is_enough installs it."""
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    serves_and_transcribes(Path(sys.executable), tmp_path, sample, PYTHONPATH=str(unpacked), WHISPER_ENGINE="fake")


def serves_and_transcribes(python: Path, home: Path, sample: Sample, **more: str) -> str:
    """What the server is started, asked and stopped with is the command alone; returns the transcript."""
    state = home / "state" / "whisper-native"
    more = {"NATIVE_WHISPER_HOST": "127.0.0.1", **more}
    assert run(python, home, "--version", more=more) == f"whisper-native {VERSION}\n"
    try:
        said = run(python, home, "serve", "--port", "0", more=more)
        assert "whisper-native is ready: http://" in said
        assert "whisper-native serve stop" in said
        url = said.partition("whisper-native is ready: ")[2].split()[0]
        assert "is running and ready" in run(python, home, "serve", "status", more=more)
        assert "large-v3-turbo" in run(python, home, "serve", "download", "--list", more=more)
        assert (state / "data" / "jobs").is_dir()
        assert (state / "logs" / "whisper-native.log").is_file()
        run(python, home, "transcribe", str(sample.path), "-o", "out", "-f", "txt,docx", "--url", url, more=more)
        assert (home / "out" / "meeting.docx").stat().st_size > 10_000
        return (home / "out" / "meeting.txt").read_text(encoding="utf-8").strip()
    finally:
        stopped = run(python, home, "serve", "stop", more=more)
        assert "stopped" in stopped, stopped


@pytest.mark.slow  # installs some hundred megabytes
def test_an_empty_environment_is_enough(wheel: Path, tmp_path: Path, sample: Sample) -> None:
    """Slow because it installs all packages of the service from the index, as a user does."""
    python = empty_environment(tmp_path / "venv")
    began = time.monotonic()
    install(python, str(wheel))
    print(f"the client: {time.monotonic() - began:.1f} s")
    assert "pip install 'whisper-native[server]'" in run(python, tmp_path, "serve", code=1)
    assert "No server answers" in run(python, tmp_path, "models", "--url", "http://127.0.0.1:1", code=3)
    began = time.monotonic()
    install(python, f"{wheel}[server]")
    print(f"the service: {time.monotonic() - began:.1f} s")
    text = serves_and_transcribes(python, tmp_path, sample, WHISPER_MODEL="base", WHISPER_OFFLINE="true")
    assert normalised(text) == normalised(sample.text)  # processors differ in the last bits, which may move a comma
