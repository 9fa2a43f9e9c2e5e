"""What callers take from one another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import LANES, Bench, in_turns
from scripts.benchmarking.memory import Watch
from scripts.benchmarking.targets import ENDED, Native, TargetError
from scripts.benchmarking.timed import median, percentile

EVERY = 5.0  # seconds between two clips beside a long job


def company(bench: Bench) -> None:
    """A clip every few seconds while a long job runs."""
    step = "A clip beside a long job"
    native = bench.native
    idle = [row.seconds for row in in_turns({"idle": native.transcribe}, bench.clip, bench.sizes.clips)["idle"]]
    job_id = native.submit(corpus.over_and_over(bench.sizes.long, bench.sizes.endless))
    try:
        _until_it_runs(native, job_id)
        alone, _ = _speed(native, job_id, lambda: time.sleep(bench.sizes.clips / 2 * EVERY))
        beside: list[float] = []
        speed, seconds = _speed(native, job_id, lambda: beside.extend(_clips_every(native, bench, job_id)))
    finally:
        native.delete(job_id)
    bench.keep(step, "idle", idle)
    bench.keep(step, "beside", beside)
    bench.keep(step, "speed of the job alone and beside the clips", [alone, speed])
    _report_clips(bench, step, idle, beside)
    share, loss = len(beside) * median(idle) / (LANES * seconds), 1 - speed / alone
    bench.add(step, "the long job, alone and beside", f"{alone:.1f} x and {speed:.1f} x real time")
    value = f"{100 * loss:.0f} %; the clips' own share of the cores is {100 * share:.0f} %"
    bench.add(step, "what the job loses", value, "at most the share plus 10 %", loss <= share + 0.1)


def _report_clips(bench: Bench, step: str, idle: list[float], beside: list[float]) -> None:
    calm = median(idle)
    p50, p95, worst = median(beside), percentile(beside, 0.95), max(beside)
    bench.add(step, f"idle, p50 of {len(idle)}", f"{calm:.2f} s")
    value = f"{p50:.2f} s = {p50 / calm:.2f} x idle"
    bench.add(step, f"beside, p50 of {len(beside)}", value, "at most 1.8", p50 / calm <= 1.8)
    bench.add(step, "beside, p95", f"{p95:.2f} s = {p95 / calm:.2f} x idle", "at most 2.7", p95 / calm <= 2.7)
    bench.add(step, "beside, worst", f"{worst:.2f} s = {worst / calm:.2f} x idle")


class _Crowd(NamedTuple):
    """What became of many equal clips, in the order they were submitted. alone: the text of one by itself. seen: how
    many a stranger's key can see. early, late: megabytes of the service in the first and the second half."""

    ends: list[float]
    texts: list[str]
    alone: str
    seen: int
    early: float
    late: float


def crowd(bench: Bench) -> None:
    """Equal clips of two keys at once."""
    step = "A crowd"
    found = _crowded(bench)
    count = len(found.ends)
    ended = sorted(range(count), key=found.ends.__getitem__)
    moved = max(abs(place - at) for place, at in enumerate(ended))
    right = sum(text == found.alone for text in found.texts)
    bench.keep(step, "order of ends", ended)
    bench.add(step, f"{count} equal clips of two keys: right", f"{right}", f"{count}", right == count)
    bench.add(step, "places between a clip's turn and its end, at most", f"{moved}", f"{LANES}", moved <= LANES)
    bench.add(step, "clips the other key can see", f"{found.seen}", "none", not found.seen)
    value = f"{found.early:.0f} MB, {found.late:.0f} MB"
    bench.add(step, "memory, first and second half", value, "at most 5 % more", found.late <= 1.05 * found.early)


def _crowded(bench: Bench) -> _Crowd:
    half = bench.sizes.crowd // 2
    settings = {"WHISPER_MODEL": bench.model, "WHISPER_COMPUTE_TYPE": "int8", "WHISPER_API_KEYS": "a:a,b:b"}
    with own.service("crowd", **settings) as (service, _, folder):
        callers = [Native(name, service.url, "whisper-1", name) for name in ("a", "b")]
        alone = callers[0].transcribe(bench.clip).text
        order = [(caller, caller.submit(bench.clip, priority="interactive")) for caller in callers * half]
        with Watch(callers[0].processes) as early:
            _until_ended(order[:half])
        with Watch(callers[0].processes) as late:
            _until_ended(order)
        ends = [_ended_at(folder, job_id) for _, job_id in order]
        texts = [caller.text_of(job_id) for caller, job_id in order]
        seen = sum(callers[at % 2 == 0].can_see(job_id) for at, (_, job_id) in enumerate(order))
    return _Crowd(ends, texts, alone, seen, early.peak, late.peak)


def _ended_at(folder: Path, job_id: str) -> float:
    return float(json.loads((folder / job_id / "outcome.json").read_bytes())["ended_at"])


def _until_ended(order: Sequence[tuple[Native, str]]) -> None:
    for caller, job_id in order:
        while caller.job(job_id, wait=30)["status"] not in ENDED:
            continue


def _until_it_runs(native: Native, job_id: str) -> None:
    deadline = time.monotonic() + 120
    while not native.job(job_id)["processed_seconds"]:
        if time.monotonic() > deadline:
            raise TargetError(f"The job {job_id} has not begun within two minutes.")
        time.sleep(0.2)


def _speed(native: Native, job_id: str, during: Callable[[], object]) -> tuple[float, float]:
    """How fast the job is while something goes on, in times real time, and how long that was."""
    before, begun = native.job(job_id)["processed_seconds"], time.perf_counter()
    during()
    seconds = time.perf_counter() - begun
    return (native.job(job_id)["processed_seconds"] - before) / seconds, seconds


def _clips_every(native: Native, bench: Bench, job_id: str) -> list[float]:
    taken: list[float] = []
    for _ in range(bench.sizes.clips):
        due = time.monotonic() + EVERY
        taken.append(native.transcribe(bench.clip).seconds)
        if native.job(job_id)["status"] in ENDED:
            break
        time.sleep(max(0.0, due - time.monotonic()))
    return taken
