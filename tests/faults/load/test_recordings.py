"""Recordings that are too long, too large once unpacked, mostly silence, or no recordings at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from tests import media, speech
from tests.acceptance.jobs.test_events import follow
from tests.acceptance.live import ROOT, LiveService, assert_error
from tests.accuracy import normalised
from tests.conftest import Sample
from tests.faults.processes import process
from tests.playlists import PLAYLISTS, Canary, watched
from tests.services import Start

HOURS = float(os.environ.get("FAULTS_HOURS", "0.25"))  # `make soak` takes ten
MEMORY = 150e6  # bytes a worker may grow by, however long a recording is
RATE = 16_000
QUIET = np.zeros(RATE, np.float32)


def mostly_silence(path: Path, hours: float, ends: Sequence[np.ndarray] = (QUIET, QUIET)) -> Path:
    """A FLAC of digital silence between two ends."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        minutes = (np.zeros(60 * RATE, np.float32) for _ in range(round(hours * 60)))
        for block in [ends[0], *minutes, ends[1]]:
            frame = av.AudioFrame.from_ndarray((block[None] * 32_767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


READ = """
import resource, sys
from pathlib import Path
from engines.audio.reader import AudioReader
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
least = int(status["VmSize"].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (least + int(sys.argv[2]),) * 2)
with AudioReader(Path(sys.argv[1])) as reader:
    print(sum(len(block) for block in reader))
"""


@pytest.mark.fault(20)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory as this test needs it")
@pytest.mark.slow
def test_a_small_file_that_unpacks_to_much_is_read_in_little_memory(tmp_path: Path) -> None:
    """An hour is 230 MB of samples; the process may have 64 MB more than it starts with.

    Slow: an hour to write and to read."""
    bomb = mostly_silence(tmp_path / "bomb.flac", hours=1)
    assert bomb.stat().st_size < 1e6
    command = [sys.executable, "-c", READ, str(bomb), str(64 * 1024 * 1024)]
    read = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stdout.strip()) == (0, str((3600 + 2) * RATE)), read.stderr


@pytest.mark.fault(26)
def test_the_sound_of_a_film_is_transcribed(service: LiveService, sample: Sample, tmp_path: Path) -> None:
    film = media.write(tmp_path / "film.mp4", media.read(sample.path))
    assert normalised(service.transcribe(film).json()["text"]) == normalised(sample.text)


@pytest.mark.fault(29)
@pytest.mark.slow
def test_hours_of_silence_between_words_cost_no_memory(service: LiveService, sample: Sample, tmp_path: Path) -> None:
    """Slow: a quarter of an hour through real weights."""
    talk = media.read(sample.path)
    ends = (talk, talk[8 * RATE :])  # the last sentence again: all of them twice would be a text that repeats itself
    path = mostly_silence(tmp_path / "long.flac", HOURS, ends)
    service.transcribe(sample.path)  # what the first words take, they take once
    before = process(service, "worker").memory_info().rss
    job_id = service.submit(path)
    most, progress = before, []
    for event in follow(service, job_id):
        most = max(most, process(service, "worker").memory_info().rss)
        progress += [event.data["processed"]] if event.name == "progress" else []
    job = service.ended(job_id)
    transcript = service.get(job["urls"]["transcript"], format="verbose_json").json()
    assert job["status"] == "finished"
    assert normalised(transcript["text"]) == normalised(f"{sample.text} {sample.text.split('. ')[-1]}")
    length = sum(len(end) for end in ends) / RATE
    last = transcript["segments"][-1]
    assert transcript["duration"] == pytest.approx(HOURS * 3600 + length, abs=0.1)
    assert last["end"] == pytest.approx(HOURS * 3600 + length, abs=1.0)
    assert progress == sorted(progress)
    print(f"{HOURS:g} h: the worker has {most / 1e6:.0f} MB at most, {(most - before) / 1e6:.0f} MB more than before")
    assert most - before < MEMORY


@pytest.fixture(scope="module")
def brief(start_service: Start) -> LiveService:
    """Takes no recording of more than six minutes."""
    return start_service("brief", WHISPER_ENGINE="fake", WHISPER_MAX_AUDIO_HOURS="0.1")


@pytest.mark.fault(30)
def test_a_recording_beyond_the_limit_is_refused_while_it_is_decoded(brief: LiveService, tmp_path: Path) -> None:
    path = mostly_silence(tmp_path / "bomb.flac", hours=1)
    assert path.stat().st_size < 1e6
    message = assert_error(brief.transcribe(path), 413, "audio_too_long", "file")
    assert "WHISPER_MAX_AUDIO_HOURS" in message
    job = brief.ended(brief.submit(path))
    assert (job["status"], job["error"]["code"]) == ("failed", "audio_too_long")
    assert brief.transcribe(mostly_silence(tmp_path / "short.flac", hours=0.05)).json()["text"] == ""


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with watched() as canary:
        yield canary


@pytest.mark.fault(59)
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_what_a_playlist_names_is_neither_fetched_nor_read(
    quick: LiveService, canary: Canary, kind: str, tmp_path: Path
) -> None:
    """Under its own name and under a harmless one; the secret lies beside every upload that is there by then."""
    secret = media.write(tmp_path / "secret.wav", speech.tone(1))
    text = PLAYLISTS[kind].format(port=canary.port, secret=secret)
    for name in ("talk.mp3", "talk.m3u8", "source"):
        (tmp_path / name).write_text(text)
        job = quick.ended(quick.submit(tmp_path / name))
        assert (job["status"], job["error"]["code"]) == ("failed", "unsupported_media")
    assert canary.calls == []
