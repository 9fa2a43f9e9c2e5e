"""A new user's first day: an empty environment, a folder of ten recordings, and everything killed in the middle."""

from __future__ import annotations

import io
import json
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests import media, speech
from tests.acceptance.client.wheel import build, empty_environment, environment, install, run
from tests.acceptance.live import until
from tests.acceptance.subtitles import read_srt
from tests.accuracy import word_error_rate

SETTINGS = {"NATIVE_WHISPER_HOST": "127.0.0.1", "WHISPER_MODEL": "base", "WHISPER_OFFLINE": "true"}
ENDINGS = ("wav", "mp3", "flac", "m4a", "ogg")
COUNT = 10
WORD_ERRORS = 0.25  # of base in int8, on a synthetic voice and cuts in the middle of sentences

pytestmark = pytest.mark.slow  # installs some hundred megabytes and decodes ten minutes of speech


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Of an empty environment with the wheel and the extra `server`, installed by pip."""
    with timed("the wheel"):
        wheel = build(tmp_path / "dist")
    with timed("an environment, and the client"):
        found = empty_environment(tmp_path / "venv")
        install(found, str(wheel))
    with timed("the service"):
        install(found, f"{wheel}[server]")
    return found


@pytest.fixture
def recordings(tmp_path: Path, talk: speech.Recording) -> Path:
    """A folder of ten, of a minute each, in five formats; each begins at another place of the talk."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    minute = 60 * speech.SAMPLE_RATE
    for number in range(COUNT):
        samples = talk.samples[number * speech.SAMPLE_RATE :][:minute]
        media.write(folder / f"talk {number}.{ENDINGS[number % len(ENDINGS)]}", samples)
    return folder


def serve(python: Path, home: Path) -> str:
    """Where it is."""
    said = run(python, home, "serve", "--port", "0", more=SETTINGS)
    return said.partition("whisper-native is ready: ")[2].split()[0]


def kill_server(python: Path, home: Path) -> None:
    """All of its processes at once, as a loss of power does."""
    [pid] = re.findall(r"\(pid (\d+)", run(python, home, "serve", "status", more=SETTINGS))
    supervisor = psutil.Process(int(pid))
    family = [supervisor, *supervisor.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=60)


def outputs(folder: Path, ending: str) -> dict[Path, int]:
    """What is there, and when each was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in folder.glob(f"*.{ending}")}


def test_ten_recordings_and_everything_killed_in_the_middle(
    python: Path, recordings: Path, tmp_path: Path, talk: speech.Recording
) -> None:
    """Slow because it installs what users install, and decodes ten minutes on real weights."""
    out = tmp_path / "out"
    words = ("transcribe", str(recordings), "-f", "srt,docx", "-o", str(out), "--json")
    try:
        with timed("the first start"):
            url = serve(python, tmp_path)
        began = time.monotonic()
        command = [str(python), "-m", "whisper_native", *words, "--url", url]
        client = subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL)
        until(lambda: len(outputs(out, "docx")) >= 3, "three are done")
        client.kill()
        client.wait(60)
        kill_server(python, tmp_path)
        early = {**outputs(out, "srt"), **outputs(out, "docx")}
        print(f"killed after {time.monotonic() - began:.1f} s, with {len(outputs(out, 'docx'))} of {COUNT} done")
        assert len(early) < 2 * COUNT, "it was killed in the middle"
        assert not list(out.glob("*.part")), "nothing half of a file has a name that anybody would take"
        with timed("the second start"):
            url = serve(python, tmp_path)
        with timed("the second run"):
            said = run(python, tmp_path, *words, "--url", url)
        statuses = [json.loads(line)["status"] for line in said.splitlines() if line.startswith("{")]
        assert len(statuses) == COUNT
        assert set(statuses) <= {"finished", "skipped"}
        assert all_is_there(out, talk)
        assert early.items() <= {**outputs(out, "srt"), **outputs(out, "docx")}.items(), "nothing was written twice"
        listed = run(python, tmp_path, "jobs", "--json", "-n", "100", "--url", url)
        jobs = [json.loads(line) for line in listed.splitlines() if line.startswith("{")]
        assert len({job["file"]["name"] for job in jobs}) == len(jobs) == COUNT, "nothing was sent twice"
        assert {job["status"] for job in jobs} == {"finished"}
        with timed("a third run"):
            assert f"{COUNT} skipped" in run(python, tmp_path, *words[:-1], "--url", url)
    finally:
        run(python, tmp_path, "serve", "stop", more=SETTINGS)


def all_is_there(out: Path, talk: speech.Recording) -> bool:
    assert len(outputs(out, "srt")) == len(outputs(out, "docx")) == COUNT
    for path in outputs(out, "srt"):
        heard = " ".join(" ".join(cue.text.split()) for cue in read_srt(path.read_text(encoding="utf-8")))
        number = int(path.stem.split()[1])
        said = " ".join(each.text for each in talk.sentences if number <= each.start and each.end <= number + 60)
        assert word_error_rate(said, heard) < WORD_ERRORS, (path.name, said, heard)
    for path in outputs(out, "docx"):
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as document:
            assert b"<w:t" in document.read("word/document.xml")
    return True
