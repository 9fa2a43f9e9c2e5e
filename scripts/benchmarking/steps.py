"""What is measured, one step for each promise. Who is compared takes turns within a step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from scripts.benchmarking import corpus, own
from scripts.benchmarking.floor import Floor
from scripts.benchmarking.memory import Watch
from scripts.benchmarking.report import Figure, Report
from scripts.benchmarking.targets import ENDED, Native, Target, TargetError
from scripts.benchmarking.timed import Heard, Load, median, percentile
from tests import accuracy

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "meeting.mp3"
REST = 0.5  # seconds between two that take turns: idle threads of the one spin for a while after its work
LANES = 2  # of the service, for the time one of its passes takes
EVERY = 5.0  # seconds between two clips beside a long job


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. minutes of recordings (endless: hours); rounds: of which the median counts; clips: single
    calls; crowd: clips at once."""

    rounds: int = 3
    clips: int = 20
    files: int = 24
    crowd: int = 100
    long: float = 42.0
    short: float = 5.0
    endless: float = 3.0
    stream: float = 10.0
    condition: float = 12.3
    wordless: float = 10.0
    concurrency: tuple[int, ...] = (1, 8, 32)


QUICK = Sizes(
    rounds=1,
    clips=5,
    files=8,
    crowd=20,
    long=3.0,
    short=1.25,
    endless=0.75,
    stream=1.25,
    condition=0.4,
    wordless=0.5,
    concurrency=(1, 8),
)


@dataclass
class Bench:
    """What all steps share. audio: a recording of the user's own for the clip and the long file."""

    native: Native
    others: list[Target]
    weights: Path
    model: str
    sizes: Sizes
    report: Report
    say: Callable[[str], object]
    audio: Path | None = None

    @property
    def clip(self) -> Path:
        return self.audio or SAMPLE

    @property
    def targets(self) -> list[Target]:
        return [self.native, *self.others]

    def add(self, step: str, name: str, value: str, wanted: str = "", met: bool | None = None) -> None:
        self.report.figures.setdefault(step, []).append(Figure(name, value, wanted, met))
        self.say(f"{name}: {value}" + {True: "", None: "", False: "  (not met)"}[met])

    def keep(self, step: str, name: str, value: Any) -> None:
        self.report.raw.setdefault(step, {})[name] = value

    def draw(self, title: str, name: str, value: float) -> None:
        self.report.bars.setdefault(title, {})[name] = round(value, 3)


def clip(bench: Bench) -> None:
    """One clip on an idle machine."""
    step = "A clip alone"
    with Floor(bench.weights, 1, 2) as floor:
        callers: dict[str, Callable[[Path], Heard]] = {row.name: row.transcribe for row in bench.targets}
        callers["in-process"] = floor.sequential
        times = _in_turns(callers, bench.clip, bench.sizes.clips)
    for name, row in times.items():
        seconds = [heard.seconds for heard in row]
        bench.keep(step, name, seconds)
        bench.add(
            step, f"{name}, p50 and p95 of {len(row)}", f"{median(seconds):.3f} s; {percentile(seconds, 0.95):.3f} s"
        )
        bench.draw("a clip alone, seconds (p50)", name, median(seconds))
    ratio = _p50(times[bench.native.name]) / _p50(times["in-process"])
    bench.add(step, "ratio to in-process `WhisperModel.transcribe` (1x2)", f"{ratio:.2f}", "at most 0.9", ratio <= 0.9)


def overhead(bench: Bench) -> None:
    """What HTTP, store and queue take together: a service whose engine answers at once."""
    step = "HTTP, store and queue"
    with own.service("overhead", WHISPER_ENGINE="fake", WHISPER_MODEL="0") as (target, _, _):
        target.transcribe(bench.clip)
        decoded = own.without_model(bench.clip)
        seconds = [target.transcribe(bench.clip).seconds for _ in range(bench.sizes.clips)]
    bench.keep(step, "seconds", seconds)
    bench.keep(step, "reading and voice activity", decoded)
    spent = (median(seconds) - median(decoded)) * 1000
    bench.add(step, "a clip with an engine that answers at once, p50", f"{median(seconds) * 1000:.0f} ms")
    bench.add(step, "of it reading the file and voice activity", f"{median(decoded) * 1000:.0f} ms")
    bench.add(step, "HTTP, store and queue", f"{spent:.0f} ms", "at most 40 ms", spent <= 40)


def many(bench: Bench) -> None:
    """Many clips at once."""
    step = "Many at once"
    files = corpus.clips(bench.sizes.files)
    paths, seconds = [row.path for row in files], sum(row.seconds for row in files)
    runs: dict[str, list[Load]] = {}
    with ExitStack() as stack:
        floors = {name: stack.enter_context(Floor(bench.weights, *size)) for name, size in _FLOORS.items()}
        for _ in range(bench.sizes.rounds):
            for target in bench.targets:
                for callers in bench.sizes.concurrency:
                    _note(runs, f"{target.name}, {callers} at once", target.transcribe_all(paths, callers))
            for name, floor in floors.items():
                _note(runs, f"in-process batched {name}", floor.batched_all(paths, 8))
            for batch in (1, 4):
                _note(runs, f"bare model 2x1, batch {batch}", floors["2x1"].bare(paths, batch, 2))
                _note(runs, f"bare model 1x2, batch {batch}", floors["1x2"].bare(paths, batch, 1))
    speeds = {name: seconds / median([row.seconds for row in loads]) for name, loads in runs.items()}
    for name, loads in runs.items():
        p95 = median([percentile(load.latencies, 0.95) for load in loads])
        cores = median([load.cores for load in loads])
        peak = max(load.peak for load in loads)
        value = f"{speeds[name]:.1f} x real time; p95 {p95:.1f} s; {cores:.2f} cores; {peak:.0f} MB"
        bench.add(step, name, value)
        bench.draw(f"{len(files)} clips, x real time", name, speeds[name])
        bench.keep(step, name, [[row.seconds, row.cores, row.peak, row.latencies] for row in loads])
    bench.keep(step, "seconds of audio", seconds)
    ours = f"{bench.native.name}, 8 at once"
    ceiling = max(speed for name, speed in speeds.items() if name.startswith("bare"))
    for name, wanted in (("in-process batched 1x2", 1.6), ("in-process batched 2x1", 1.1)):
        _ratio(bench, step, f"8 at once: ratio to {name}", speeds[ours] / speeds[name], wanted)
    _ratio(
        bench, step, "8 at once: ratio to the bare model's best (windows padded to 30 s)", speeds[ours] / ceiling, 0.8
    )
    cores = median([load.cores for load in runs[ours]])
    bench.add(step, "8 at once: cores busy", f"{cores:.2f}", "at least 1.85", cores >= 1.85)
    bench.keep(step, "texts", {name: [row.text for row in loads[0].heard] for name, loads in runs.items()})
    for name in (ours, "in-process batched 2x1"):
        heard = " ".join(row.text for row in runs[name][0].heard)
        rate = accuracy.word_error_rate(" ".join(row.text for row in files), heard)
        bench.add(step, f"{name}: word errors", f"{100 * rate:.2f} %")


def long(bench: Bench) -> None:
    """One long file, with word times."""
    step = "A long file"
    known = corpus.talk(bench.sizes.long)
    path, seconds = (bench.audio, own.length(bench.audio)) if bench.audio else (known.path, known.seconds)
    short = bench.native.run_job(corpus.talk(bench.sizes.short).path)
    runs: dict[str, list[Load]] = {}
    for _ in range(bench.sizes.rounds):
        _note(runs, bench.native.name, bench.native.run_job(path, lambda share: bench.say(f"… {share:.0%}")))
        for name, size in _FLOORS.items():
            with Floor(bench.weights, *size) as floor:
                _note(runs, f"in-process batched {name}", floor.batched(path, words=True))
    taken = {name: median([load.seconds for load in loads]) for name, loads in runs.items()}
    peaks = {name: max(load.peak for load in loads) for name, loads in runs.items()}
    for name, loads in runs.items():
        speed, cores = seconds / taken[name], median([load.cores for load in loads])
        value = f"{speed:.1f} x real time ({taken[name]:.0f} s); {peaks[name]:.0f} MB; {cores:.2f} cores"
        bench.add(step, name, value)
        bench.draw(f"{seconds / 60:.0f} minutes with word times, x real time", name, speed)
        bench.keep(step, name, [[load.seconds, load.cores, load.peak] for load in loads])
    ours = bench.native.name
    best = min(spent for name, spent in taken.items() if name != ours)
    _ratio(bench, step, "ratio to the better of the two", best / taken[ours], 1.1)
    peak = peaks[ours]
    bench.add(step, "peak memory of the whole process tree", f"{peak:.0f} MB", "at most 900 MB", peak <= 900)
    worker, api = (max(load.peaks.get(name, 0.0) for load in runs[ours]) for name in ("worker", "api"))
    at_short = f"worker at {bench.sizes.short:g} minutes {short.peaks['worker']:.0f} MB"
    value = f"worker {worker:.0f} MB, API {api:.0f} MB; {at_short}"
    met = worker <= short.peaks["worker"] + 200
    bench.add(step, "of it the worker and the API", value, "at most 200 MB over the short one", met)
    if bench.audio is None:
        for name, loads in runs.items():
            errors = accuracy.word_error_rate(known.text, loads[0].heard[0].text)
            starts = accuracy.sentence_starts(known.sentences, loads[0].heard[0].words)
            bench.add(
                step,
                f"{name}: word errors; sentence starts within 0.3 s",
                f"{100 * errors:.2f} %; {100 * starts:.1f} %",
            )


def company(bench: Bench) -> None:
    """A clip every few seconds while a long job runs."""
    step = "A clip beside a long job"
    native = bench.native
    idle = [row.seconds for row in _in_turns({"idle": native.transcribe}, bench.clip, bench.sizes.clips)["idle"]]
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
    calm = median(idle)
    p50, p95 = median(beside) / calm, percentile(beside, 0.95) / calm
    bench.add(step, f"idle, p50 of {len(idle)}", f"{calm:.2f} s")
    bench.add(
        step, f"beside, p50 of {len(beside)}", f"{median(beside):.2f} s = {p50:.2f} x idle", "at most 1.8", p50 <= 1.8
    )
    bench.add(step, "beside, p95", f"{percentile(beside, 0.95):.2f} s = {p95:.2f} x idle", "at most 2.7", p95 <= 2.7)
    bench.add(step, "beside, worst", f"{max(beside):.2f} s = {max(beside) / calm:.2f} x idle")
    share, loss = len(beside) * calm / (LANES * seconds), 1 - speed / alone
    bench.add(step, "the long job, alone and beside", f"{alone:.1f} x and {speed:.1f} x real time")
    value = f"{100 * loss:.0f} %; the clips' own share of the cores is {100 * share:.0f} %"
    bench.add(step, "what the job loses", value, "at most the share plus 10 %", loss <= share + 0.1)


def crowd(bench: Bench) -> None:
    """Equal clips of two keys at once."""
    step = "A crowd"
    count = bench.sizes.crowd
    settings = {"WHISPER_MODEL": bench.model, "WHISPER_COMPUTE_TYPE": "int8", "WHISPER_API_KEYS": "a:a,b:b"}
    with own.service("crowd", **settings) as (service, _, folder):
        callers = [Native(name, service.url, "whisper-1", name) for name in ("a", "b")]
        alone = callers[0].transcribe(bench.clip).text
        order = [(caller, caller.submit(bench.clip, priority="interactive")) for caller in callers * (count // 2)]
        with Watch(callers[0].processes) as early:
            _until_ended(order[: count // 2])
        with Watch(callers[0].processes) as late:
            _until_ended(order)
        ends = [json.loads((folder / job_id / "outcome.json").read_bytes())["ended_at"] for _, job_id in order]
        texts = [caller.text_of(job_id) for caller, job_id in order]
        strangers = [callers[at % 2 == 0].can_see(job_id) for at, (_, job_id) in enumerate(order)]
    ended = sorted(range(count), key=ends.__getitem__)
    moved = max(abs(place - at) for place, at in enumerate(ended))
    right = sum(text == alone for text in texts)
    bench.keep(step, "order of ends", ended)
    bench.add(step, f"{count} equal clips of two keys: right", f"{right}", f"{count}", right == count)
    bench.add(step, "places between a clip's turn and its end, at most", f"{moved}", f"{LANES}", moved <= LANES)
    bench.add(step, "clips the other key can see", f"{sum(strangers)}", "none", not any(strangers))
    value = f"{early.peak:.0f} MB, {late.peak:.0f} MB"
    bench.add(step, "memory, first and second half", value, "at most 5 % more", late.peak <= 1.05 * early.peak)


def stream(bench: Bench) -> None:
    """The first text of a streamed file."""
    step = "A streamed file"
    known = corpus.talk(bench.sizes.stream, 2)
    firsts, passes = [], []
    for _ in range(bench.sizes.rounds):
        came = bench.native.stream(known.path)
        firsts.append(came[0])
        gaps = [later - sooner for sooner, later in pairwise(came)]
        passes.append(LANES * (came[-1] - came[0]) / len(gaps))
    bench.keep(step, "first text and time of a pass", [firsts, passes])
    wanted = 2 * median(passes) + 0.5
    name = f"first text of {known.seconds / 60:.0f} minutes, after the upload's end"
    bound = f"at most {wanted:.2f} s (twice a pass of {median(passes):.2f} s, plus 0.5 s)"
    bench.add(step, name, f"{median(firsts):.2f} s", bound, median(firsts) <= wanted)


def words(bench: Bench) -> None:
    """Words and times under several conditions."""
    step = "Word errors"
    sides: dict[str, list[tuple[corpus.Known, Heard]]] = {bench.native.name: [], "sequential": [], "no ladder": []}
    known = corpus.conditions(bench.sizes.condition)
    with Floor(bench.weights, 1, 2) as floor:
        for row in known:
            bench.say(f"{row.name}: {row.seconds / 60:.1f} minutes")
            sides[bench.native.name].append((row, bench.native.run_job(row.path).heard[0]))
            sides["sequential"].append((row, floor.sequential(row.path, vad=True)))
    for row, heard in zip(known, own.line(bench.model, [row.path for row in known], ladder=False), strict=True):
        sides["no ladder"].append((row, heard))
    rates = {name: [_errors(row, heard) for row, heard in rows] for name, rows in sides.items()}
    for at, row in enumerate(known):
        starts = accuracy.sentence_starts(row.sentences, sides[bench.native.name][at][1].words)
        ours, theirs, bare = (100 * side[at][0] / side[at][1] for side in rates.values())
        value = f"{ours:.2f} %; {theirs:.2f} %; {bare:.2f} %; {100 * starts:.1f} %"
        bench.add(step, f"{row.name}: service; sequential with VAD; without the ladder; sentence starts", value)
    totals = {name: sum(wrong for wrong, _ in side) / sum(spoken for _, spoken in side) for name, side in rates.items()}
    minutes = sum(row.seconds for row in known) / 60
    for name, rate in totals.items():
        bench.add(step, f"{name}, {minutes:.0f} minutes", f"{100 * rate:.2f} %")
    worse = totals[bench.native.name] - totals["sequential"]
    bench.add(step, "service against sequential", f"{100 * worse:+.2f} points", "at most +0.20", worse <= 0.002)
    worst = min(accuracy.sentence_starts(row.sentences, heard.words) for row, heard in sides[bench.native.name])
    bench.add(step, "sentence starts within 0.3 s, the worst condition", f"{100 * worst:.1f} %", "90 %", worst >= 0.9)
    bench.keep(step, "errors and words", rates)


def context(bench: Bench) -> None:
    """The text before a window as its prompt (`WHISPER_CONTEXT`), in our own line."""
    step = "The text before as prompt"
    known = corpus.conditions(bench.sizes.condition)[:2]
    for name, on in (("without (default)", False), ("with", True)):
        heard = own.line(bench.model, [row.path for row in known], context=on)
        seconds = sum(row.seconds for row in heard)
        for row, got in zip(known, heard, strict=True):
            wrong, spoken = _errors(row, got)
            bench.add(step, f"{name}, {row.name}: word errors", f"{100 * wrong / spoken:.2f} %")
        bench.add(step, f"{name}: speed", f"{sum(row.seconds for row in known) / seconds:.1f} x real time")


def nothing(bench: Bench) -> None:
    """Sounds without words."""
    step = "No words"
    for name, path in corpus.wordless(bench.sizes.wordless * 60).items():
        text = bench.native.run_job(path).heard[0].text
        bench.add(step, f"{bench.sizes.wordless:g} minutes of {name}", repr(text[:60]), "nothing", not text)


def cold(bench: Bench) -> None:
    """From the start of the processes to ready."""
    step = "Cold start"
    with own.service("cold", WHISPER_MODEL=bench.model, WHISPER_COMPUTE_TYPE="int8") as (_, seconds, _):
        bench.keep(step, "seconds", seconds)
        bench.add(step, "from its start to ready, weights on disk", f"{seconds:.1f} s")


def soak(bench: Bench) -> None:
    """Memory for very long recordings."""
    step = "Very long recordings"
    known = bench.report.raw.get("A long file", {}).get(bench.native.name)
    most = 1.1 * max(row[2] for row in known) if known else 990.0
    for name, path, hours in own.very_long():
        load = bench.native.run_job(path, lambda share: bench.say(f"… {share:.0%}"))
        bench.keep(step, name, [load.seconds, load.peak])
        bench.add(step, name, f"{hours * 3600 / load.seconds:.1f} x real time; {load.peak:.0f} MB",
                  f"at most {most:.0f} MB (1.1 x the long file's)", load.peak <= most)  # fmt: skip


STEPS: dict[str, Callable[[Bench], None]] = {
    "overhead": overhead, "clip": clip, "company": company, "stream": stream, "many": many, "long": long,
    "crowd": crowd, "nothing": nothing, "cold": cold, "words": words, "context": context, "soak": soak,
}  # fmt: skip
DEFAULT = tuple(name for name in STEPS if name != "soak")
_FLOORS = {"1x2": (1, 2), "2x1": (2, 1)}


def _in_turns(callers: dict[str, Callable[[Path], Heard]], path: Path, times: int) -> dict[str, list[Heard]]:
    for warm in callers.values():
        warm(path)
    heard: dict[str, list[Heard]] = {name: [] for name in callers}
    for _ in range(times):
        for name, call in callers.items():
            time.sleep(REST)
            heard[name].append(call(path))
    return heard


def _p50(rows: Sequence[Heard]) -> float:
    return median([row.seconds for row in rows])


def _note(runs: dict[str, list[Load]], name: str, load: Load) -> None:
    time.sleep(REST)
    runs.setdefault(name, []).append(load)


def _ratio(bench: Bench, step: str, name: str, ratio: float, wanted: float) -> None:
    bench.add(step, name, f"{ratio:.2f}", f"at least {wanted}", ratio >= wanted)


def _errors(known: corpus.Known, heard: Heard) -> tuple[int, int]:
    errors = accuracy.word_errors(known.text, heard.text)
    return errors.substitutions + errors.deletions + errors.insertions, errors.words


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
