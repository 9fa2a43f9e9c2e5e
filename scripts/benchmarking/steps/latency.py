"""How long one caller waits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import LANES, Bench, in_turns
from scripts.benchmarking.floor import Floor
from scripts.benchmarking.timed import Heard, median, percentile


def clip(bench: Bench) -> None:
    """One clip on an idle machine."""
    step = "A clip alone"
    with Floor(bench.weights, 1, 2) as floor:
        callers: dict[str, Callable[[Path], Heard]] = {row.name: row.transcribe for row in bench.targets}
        callers["in-process"] = floor.sequential
        heard = in_turns(callers, bench.clip, bench.sizes.clips)
    times = {name: [row.seconds for row in rows] for name, rows in heard.items()}
    for name, seconds in times.items():
        bench.keep(step, name, seconds)
        value = f"{median(seconds):.3f} s; {percentile(seconds, 0.95):.3f} s"
        bench.add(step, f"{name}, p50 and p95 of {len(seconds)}", value)
        bench.draw("a clip alone, seconds (p50)", name, median(seconds))
    ratio = median(times[bench.native.name]) / median(times["in-process"])
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


def cold(bench: Bench) -> None:
    """From the start of the processes to ready."""
    step = "Cold start"
    with own.service("cold", WHISPER_MODEL=bench.model, WHISPER_COMPUTE_TYPE="int8") as (_, seconds, _):
        bench.keep(step, "seconds", seconds)
        bench.add(step, "from its start to ready, weights on disk", f"{seconds:.1f} s")
