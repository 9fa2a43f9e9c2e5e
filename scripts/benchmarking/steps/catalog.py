"""All steps by their names, in the order they are run. Who is compared takes turns within a step."""

from __future__ import annotations

from collections.abc import Callable

from scripts.benchmarking.bench import Bench
from scripts.benchmarking.steps.contention import company, crowd
from scripts.benchmarking.steps.feeding import feed
from scripts.benchmarking.steps.frontier import frontier
from scripts.benchmarking.steps.latency import clip, cold, overhead, stream
from scripts.benchmarking.steps.long_recordings import long, soak
from scripts.benchmarking.steps.simulated_gpu import gpu
from scripts.benchmarking.steps.throughput import many
from scripts.benchmarking.steps.wording import context, nothing, words

STEPS: dict[str, Callable[[Bench], None]] = {
    "feed": feed, "gpu": gpu, "overhead": overhead, "clip": clip, "company": company, "stream": stream,
    "many": many, "long": long, "crowd": crowd, "nothing": nothing, "cold": cold, "words": words, "context": context,
    "frontier": frontier, "soak": soak,
}  # fmt: skip
DEFAULT = tuple(name for name in STEPS if name not in ("frontier", "soak"))  # these take long
