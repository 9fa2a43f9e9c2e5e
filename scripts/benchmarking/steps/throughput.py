"""How much many callers get done together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from scripts.benchmarking import corpus
from scripts.benchmarking.bench import FLOORS, Bench, Runs, note
from scripts.benchmarking.floor import Floor
from scripts.benchmarking.timed import Load, median, percentile
from tests import accuracy

STEP = "Many at once"


def many(bench: Bench) -> None:
    """Many clips at once."""
    files = corpus.clips(bench.sizes.files)
    seconds = sum(row.seconds for row in files)
    bench.keep(STEP, "seconds of audio", seconds)
    runs = _measured(bench, [row.path for row in files])
    speeds = {name: seconds / median([row.seconds for row in loads]) for name, loads in runs.items()}
    for name, loads in runs.items():
        bench.add(STEP, name, _figures(speeds[name], loads))
        bench.draw(f"{len(files)} clips, x real time", name, speeds[name])
        bench.keep(STEP, name, [[row.seconds, row.cores, row.peak, row.latencies] for row in loads])
    ours = f"{bench.native.name}, 8 at once"
    _compare(bench, speeds, ours)
    cores = median([load.cores for load in runs[ours]])
    bench.add(STEP, "8 at once: cores busy", f"{cores:.2f}", "at least 1.85", cores >= 1.85)
    bench.keep(STEP, "texts", {name: [row.text for row in loads[0].heard] for name, loads in runs.items()})
    for name in (ours, "in-process batched 2x1"):
        bench.add(STEP, f"{name}: word errors", f"{100 * _word_error_rate(files, runs[name][0]):.2f} %")


def _measured(bench: Bench, paths: list[Path]) -> Runs:
    runs: Runs = {}
    with ExitStack() as stack:
        floors = {name: stack.enter_context(Floor(bench.weights, *size)) for name, size in FLOORS.items()}
        for _ in range(bench.sizes.rounds):
            _measure_services(bench, runs, paths)
            _measure_floors(floors, runs, paths)
    return runs


def _measure_services(bench: Bench, runs: Runs, paths: list[Path]) -> None:
    for target in bench.targets:
        for callers in bench.sizes.concurrency:
            note(runs, f"{target.name}, {callers} at once", target.transcribe_all(paths, callers))


def _measure_floors(floors: dict[str, Floor], runs: Runs, paths: list[Path]) -> None:
    for name, floor in floors.items():
        note(runs, f"in-process batched {name}", floor.batched_all(paths, 8))
    for batch in (1, 4):
        note(runs, f"bare model 2x1, batch {batch}", floors["2x1"].bare(paths, batch, 2))
        note(runs, f"bare model 1x2, batch {batch}", floors["1x2"].bare(paths, batch, 1))


def _figures(speed: float, loads: Sequence[Load]) -> str:
    p95 = median([percentile(load.latencies, 0.95) for load in loads])
    cores = median([load.cores for load in loads])
    peak = max(load.peak for load in loads)
    return f"{speed:.1f} x real time; p95 {p95:.1f} s; {cores:.2f} cores; {peak:.0f} MB"


def _compare(bench: Bench, speeds: dict[str, float], ours: str) -> None:
    for name, wanted in (("in-process batched 1x2", 1.6), ("in-process batched 2x1", 1.1)):
        bench.add_ratio(STEP, f"8 at once: ratio to {name}", speeds[ours] / speeds[name], wanted)
    ceiling = max(speed for name, speed in speeds.items() if name.startswith("bare"))
    name = "8 at once: ratio to the bare model's best (windows padded to 30 s)"
    bench.add_ratio(STEP, name, speeds[ours] / ceiling, 0.8)


def _word_error_rate(files: Sequence[corpus.Known], load: Load) -> float:
    said, heard = " ".join(row.text for row in files), " ".join(row.text for row in load.heard)
    return accuracy.word_error_rate(said, heard)
