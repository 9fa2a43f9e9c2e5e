"""The benchmark's own instruments."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from scripts.benchmarking import corpus
from scripts.benchmarking.memory import Watch
from scripts.benchmarking.report import Figure, Report
from scripts.benchmarking.timed import percentile
from tests.speech import SAMPLE_RATE, Recording, Sentence
from tests.unit.factories import wait_for


def me() -> list[psutil.Process]:
    return [psutil.Process()]


HOLDING = """
for line in iter(input, "end"):
    held = b"1" * int(line)
    print(flush=True)
"""


def test_the_watch_sees_the_memory_that_is_held_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: this one may have freed more before than is held here."""
    monkeypatch.setattr("scripts.benchmarking.memory.INTERVAL", 0.01)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDING], stdin=pipe, stdout=pipe, text=True) as holder:
        small, large = (peak(holder, megabytes) for megabytes in (1, 101))
        holder.communicate("end\n")
    assert large - small == pytest.approx(100, abs=10)


def peak(holder: subprocess.Popen[str], megabytes: int) -> float:
    """What the watch says of a process that holds so much."""
    assert holder.stdin
    assert holder.stdout
    holder.stdin.write(f"{megabytes * 1024 * 1024}\n")
    holder.stdin.flush()
    holder.stdout.readline()
    with Watch(lambda: [psutil.Process(holder.pid)]) as watch:
        wait_for(lambda: watch.peak)
    return watch.peak


def test_the_watch_counts_busy_cores() -> None:
    began = time.perf_counter()
    with Watch(me) as busy, Watch(list) as nobody:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    assert busy.cores >= 0.18 / (time.perf_counter() - began)  # the system counts in hundredths of a second
    assert nobody.cores == 0


@pytest.mark.parametrize(("share", "value"), [(0.5, 10.0), (0.95, 19.0), (1.0, 20.0), (0.01, 1.0)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(20, 0, -1)], share) == value


def test_the_report_says_what_is_met_and_draws_it(tmp_path: Path) -> None:
    report = Report("Measured", ["2 cores"])
    report.figures["Speed"] = [
        Figure("speed", "9 x"),
        Figure("ratio", "0.8", "at most 1", True),
        Figure("starts", "80 %", "90 %", False),
    ]
    report.bars["speed"] = {"one": 9.0, "other": 3.0}
    report.write(tmp_path / "results", "latest")
    lines = (tmp_path / "results" / "latest.md").read_text(encoding="utf-8").splitlines()
    assert "- 2 cores" in lines
    assert "| speed | 9 x |  |  |" in lines
    assert "| ratio | 0.8 | at most 1 | met |" in lines
    assert "| starts | 80 % | 90 % | **not met** |" in lines
    assert not report.is_met
    assert json.loads((tmp_path / "results" / "latest.json").read_text(encoding="utf-8"))["bars"] == report.bars
    assert (tmp_path / "results" / "latest.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def clean() -> Recording:
    """A minute of a tone in place of each of six sentences."""
    samples = np.zeros(60 * SAMPLE_RATE, np.float32)
    sentences = tuple(Sentence(f"Number {number}.", 10.0 * number + 2, 10.0 * number + 8) for number in range(6))
    for row in sentences:
        at = np.arange(round(row.start * SAMPLE_RATE), round(row.end * SAMPLE_RATE))
        samples[at] = 0.3 * np.sin(at * 0.1)
    return Recording(samples, sentences)


def speaks(recording: Recording, sentence: Sentence) -> bool:
    """Whether the sound is where the sentence is said to be."""
    at = [round(moment * SAMPLE_RATE) for moment in (sentence.start + 0.1, sentence.end - 0.1)]
    before = recording.samples[max(0, at[0] - SAMPLE_RATE // 2) : at[0] - SAMPLE_RATE // 5]
    return bool(np.abs(recording.samples[at[0] : at[1]]).mean() > 10 * np.abs(before).mean())


@pytest.mark.parametrize("name", [name for name in corpus.CONDITIONS if name != "music between"])
def test_every_condition_keeps_sentences_where_their_sound_is(name: str, clean: Recording) -> None:
    changed = corpus.CONDITIONS[name](clean)
    assert [row.text for row in changed.sentences] == [row.text for row in clean.sentences]
    assert all(speaks(changed, row) for row in changed.sentences) or name == "noise at 15 dB"


def test_the_conditions_are_what_they_are_called(clean: Recording) -> None:
    def power(samples: np.ndarray) -> float:
        return float(np.mean(samples.astype(np.float64) ** 2))

    noise = corpus.noisy(clean).samples - clean.samples
    assert 10 * np.log10(power(clean.samples) / power(noise)) == pytest.approx(15, abs=0.1)
    assert 10 * np.log10(power(clean.samples) / power(corpus.quieter(clean).samples)) == pytest.approx(25, abs=0.1)
    assert clean.seconds / corpus.faster(clean).seconds == pytest.approx(1.25, rel=0.01)
    music = corpus.with_music(clean, every=20, seconds=5)
    assert music.seconds == pytest.approx(clean.seconds + 10, abs=0.1)
    assert all(row.end - row.start == pytest.approx(6) for row in music.sentences)


def test_a_part_has_whole_sentences_only(clean: Recording) -> None:
    part = corpus.part(clean, 15, 20)
    assert [row.text for row in part.sentences] == ["Number 2."]
    assert all(speaks(part, row) for row in part.sentences)
