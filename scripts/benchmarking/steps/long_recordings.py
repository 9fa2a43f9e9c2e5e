"""Long recordings: how fast, in how much memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import FLOORS, Bench, Runs, note
from scripts.benchmarking.floor import Floor
from scripts.benchmarking.timed import Load, median
from tests import accuracy

STEP = "A long file"


def long(bench: Bench) -> None:
    """One long file, with word times."""
    known = corpus.talk(bench.sizes.long)
    path, seconds = (bench.audio, own.length(bench.audio)) if bench.audio else (known.path, known.seconds)
    short = bench.native.run_job(corpus.talk(bench.sizes.short).path)
    runs = _measured(bench, path)
    for name, loads in runs.items():
        _report(bench, name, loads, seconds)
    _compare(bench, runs, short)
    if bench.audio is None:
        for name, loads in runs.items():
            _report_words(bench, name, loads[0], known)


def _measured(bench: Bench, path: Path) -> Runs:
    runs: Runs = {}
    for _ in range(bench.sizes.rounds):
        note(runs, bench.native.name, bench.native.run_job(path, lambda share: bench.say(f"… {share:.0%}")))
        for name, size in FLOORS.items():
            with Floor(bench.weights, *size) as floor:
                note(runs, f"in-process batched {name}", floor.batched(path, words=True))
    return runs


def _report(bench: Bench, name: str, loads: Sequence[Load], seconds: float) -> None:
    taken, cores = _taken(loads), median([load.cores for load in loads])
    speed = seconds / taken
    bench.add(STEP, name, f"{speed:.1f} x real time ({taken:.0f} s); {_peak(loads):.0f} MB; {cores:.2f} cores")
    bench.draw(f"{seconds / 60:.0f} minutes with word times, x real time", name, speed)
    bench.keep(STEP, name, [[load.seconds, load.cores, load.peak] for load in loads])


def _compare(bench: Bench, runs: Runs, short: Load) -> None:
    """short: the load of a short file, whose memory that of a long one may not exceed by much."""
    ours = bench.native.name
    best = min(_taken(loads) for name, loads in runs.items() if name != ours)
    bench.add_ratio(STEP, "ratio to the better of the two", best / _taken(runs[ours]), 1.1)
    peak = _peak(runs[ours])
    bench.add(STEP, "peak memory of the whole process tree", f"{peak:.0f} MB", "at most 900 MB", peak <= 900)
    worker, api = (max(load.peaks.get(name, 0.0) for load in runs[ours]) for name in ("worker", "api"))
    at_short = f"worker at {bench.sizes.short:g} minutes {short.peaks['worker']:.0f} MB"
    value = f"worker {worker:.0f} MB, API {api:.0f} MB; {at_short}"
    met = worker <= short.peaks["worker"] + 200
    bench.add(STEP, "of it the worker and the API", value, "at most 200 MB over the short one", met)


def _report_words(bench: Bench, name: str, load: Load, known: corpus.Known) -> None:
    errors = accuracy.word_error_rate(known.text, load.heard[0].text)
    starts = accuracy.sentence_starts(known.sentences, load.heard[0].words)
    value = f"{100 * errors:.2f} %; {100 * starts:.1f} %"
    bench.add(STEP, f"{name}: word errors; sentence starts within 0.3 s", value)


def _taken(loads: Sequence[Load]) -> float:
    return median([load.seconds for load in loads])


def _peak(loads: Sequence[Load]) -> float:
    return max(load.peak for load in loads)


def soak(bench: Bench) -> None:
    """Memory for very long recordings."""
    step = "Very long recordings"
    known = bench.report.raw.get(STEP, {}).get(bench.native.name)
    most = 1.1 * max(row[2] for row in known) if known else 990.0
    for name, path, hours in own.very_long():
        load = bench.native.run_job(path, lambda share: bench.say(f"… {share:.0%}"))
        bench.keep(step, name, [load.seconds, load.peak])
        value = f"{hours * 3600 / load.seconds:.1f} x real time; {load.peak:.0f} MB"
        bench.add(step, name, value, f"at most {most:.0f} MB (1.1 x the long file's)", load.peak <= most)
