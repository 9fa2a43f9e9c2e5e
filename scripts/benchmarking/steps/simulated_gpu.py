"""Whether the line keeps up with a GPU: an engine whose passes take as long as a GPU's would, and no processor.

What its passes allow is known, so what the service makes of them needs no GPU. An H100 is said to transcribe 597 s in a
second with large-v3-turbo (inferencebench.io, in transformers); what faster-whisper makes of a GPU differs with card,
model and driver, so it is the speed that counts here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import Bench
from scripts.benchmarking.steps.feeding import cut
from scripts.benchmarking.targets import Native

STEP = "A simulated GPU"
SPEEDS = (150, 300, 600, 1000)  # seconds of full windows that its passes decode in a second
PASS = 16  # windows
WINDOW = 28.0  # seconds of a long recording in one
FIXED = 0.25  # of a full pass's time that one of a single window takes as well
CLIP = 11.0
CALLERS = 64
ROUNDS = 6  # calls of each
WANTED = 0.9  # of what the passes allow


def gpu(bench: Bench) -> None:
    """One long file, and many callers, at several speeds of the passes."""
    path = corpus.over_and_over(bench.sizes.short, bench.sizes.long / 60)
    seconds = own.length(path)
    with tempfile.TemporaryDirectory() as folder:
        clips = cut(bench, Path(folder), CLIP, CALLERS * ROUNDS)
        for speed in SPEEDS:
            taken = PASS * WINDOW / speed  # seconds of a full pass
            passes = f"{FIXED * taken:.4f}+{(1 - FIXED) * taken / PASS:.4f}"
            settings = {"MODEL": passes, "LANES": "1", "MAX_BATCH": str(PASS), "ENGINE": "fake"}
            settings["READER_PROCESSES"] = "1"  # as beside a GPU on two cores
            with own.service("gpu", **{f"WHISPER_{name}": value for name, value in settings.items()}) as (target, _, _):
                _file(bench, target, path, seconds, speed)
                _callers(bench, target, clips, PASS / taken, speed)


def _file(bench: Bench, target: Native, path: Path, seconds: float, speed: float) -> None:
    load = target.run_job(path)
    reached = seconds / load.seconds
    _add(bench, f"{speed} x: one file of {seconds / 60:.0f} minutes", reached / speed, f"{reached:.0f} x", load.cores)


def _callers(bench: Bench, target: Native, clips: list[Path], allowed: float, speed: float) -> None:
    """allowed: clips a second."""
    load = target.transcribe_all(clips, CALLERS)
    reached = len(clips) / load.seconds
    name = f"{speed} x: {CALLERS} callers with clips of {CLIP:g} s"
    _add(bench, name, reached / allowed, f"{reached:.0f} clips a second", load.cores)


def _add(bench: Bench, name: str, share: float, reached: str, cores: float) -> None:
    value = f"{reached}, {share:.2f} of what the passes allow; {cores:.2f} cores"
    bench.add(STEP, name, value, f"at least {WANTED}", share >= WANTED)
    bench.keep(STEP, name, [share, cores])
