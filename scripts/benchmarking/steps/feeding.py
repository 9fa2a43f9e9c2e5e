"""What the line itself takes, with an engine that answers at once: how much a fast GPU could be fed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import Bench
from scripts.benchmarking.memory import Watch
from scripts.benchmarking.targets import Native
from scripts.benchmarking.timed import median
from tests import media, speech
from tests.acceptance.live import ENDED

STEP = "Feeding an engine that answers at once"
FILES = 8  # long ones at once
CLIPS = {11.0: 40.0, 1.0: 15.0}  # seconds of a clip, and the milliseconds of processor time it may take


def feed(bench: Bench) -> None:
    """Long files and clips without a model."""
    settings = {
        "WHISPER_ENGINE": "fake",
        "WHISPER_MODEL": "0",
        "WHISPER_BATCH_SLOTS": str(FILES),
        "WHISPER_READER_PROCESSES": str(FILES),  # as beside a GPU
    }
    with own.service("feed", **settings) as (target, _, _), tempfile.TemporaryDirectory() as folder:
        _long(bench, target)
        for seconds in CLIPS:
            _clip(bench, target, cut(bench, Path(folder), seconds, 4 * bench.sizes.clips), seconds)


def _long(bench: Bench, target: Native) -> None:
    path = corpus.over_and_over(bench.sizes.short, bench.sizes.long / 60)
    seconds = own.length(path)
    target.run_job(path)
    for count, wanted in ((1, 600), (FILES, 1000)):
        runs = [_at_once(target, path, count) for _ in range(bench.sizes.rounds)]
        speed = count * seconds / median([taken for taken, _ in runs])
        cost = 1000 * median([used for _, used in runs]) / (count * seconds)
        name = f"{count} mp3 of {seconds / 60:.0f} minutes at once"
        value = f"{speed:.0f} x real time; {cost:.2f} ms of processor time for a second of sound"
        bench.add(STEP, name, value, f"at least {wanted} x", speed >= wanted)
        bench.keep(STEP, name, runs)


def _at_once(target: Native, path: Path, count: int) -> tuple[float, float]:
    """Seconds that so many jobs take, and seconds of processor time."""
    with Watch(target.processes) as watch:
        begun = time.perf_counter()
        jobs = [target.submit(path) for _ in range(count)]
        for job_id in jobs:
            while target.job(job_id, wait=30)["status"] not in ENDED:
                continue
        seconds = time.perf_counter() - begun
    for job_id in jobs:
        target.delete(job_id)
    return seconds, watch.cores * seconds


def cut(bench: Bench, folder: Path, seconds: float, count: int) -> list[Path]:
    """Clips of the talk, no two of them the same: the same one sent again would be decoded once."""
    talk = media.read(corpus.talk(bench.sizes.short).path)
    length = round(seconds * speech.SAMPLE_RATE)
    step = (len(talk) - length) // count
    return [media.write(folder / f"{seconds:g}-{at}.wav", talk[at * step : at * step + length]) for at in range(count)]


def _clip(bench: Bench, target: Native, clips: list[Path], seconds: float) -> None:
    target.transcribe(clips[-1])
    load = target.transcribe_all(clips[:-1], 1)
    used = 1000 * load.cores * load.seconds / len(load.heard)
    name = f"a clip of {seconds:g} s: processor time of all processes, and p50"
    value = f"{used:.0f} ms; {1000 * median(load.latencies):.0f} ms"
    bench.add(STEP, name, value, f"at most {CLIPS[seconds]:.0f} ms", used <= CLIPS[seconds])
