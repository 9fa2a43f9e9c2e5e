"""Speed against word errors on a CPU: how long windows are, how many a pass takes, and how wide the search is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import NamedTuple

from engines.decoding.batcher import Batcher
from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import Bench
from scripts.benchmarking.timed import median
from tests import accuracy

STEP = "Speed against word errors"


class Point(NamedTuple):
    """One way to decode. window: seconds of a full one; batch: windows a pass; beams: of the search."""

    window: float
    batch: int
    beams: int

    def __str__(self) -> str:
        return f"windows of {self.window:g} s, {self.batch} a pass, {self.beams} beams"


class Run(NamedTuple):
    """used: seconds of processor time for a minute of audio; errors, words: numbers of; starts: the share of sentences
    whose start is right."""

    used: float
    errors: int
    words: int
    starts: float


BEFORE = Point(30.0, 1, 5)
WIDE = Point(30.0, 2, 5)
POINTS = (
    BEFORE,
    WIDE,
    Point(30.0, 4, 5),
    Point(18.0, 4, 5),
    Point(13.0, 4, 5),
    Point(18.0, 4, 2),
    Point(18.0, 4, 1),
)


def frontier(bench: Bench) -> None:
    """Each point in turn over each recording, with word times."""
    known = corpus.conditions(bench.sizes.condition, corpus.ALL_CONDITIONS)
    runs: dict[Point, list[Run]] = {point: [] for point in POINTS}
    with ExitStack() as stack:
        lines = {point: stack.enter_context(_line(bench, point)) for point in POINTS}
        for row in known:
            for point, line in lines.items():
                runs[point].append(_run(line, row))
                bench.say(f"{row.name}: {point}: {runs[point][-1]}")
    for point in POINTS:
        _report(bench, point, runs[point], runs[BEFORE])
    bench.keep(STEP, "runs", {str(point): [list(run) for run in rows] for point, rows in runs.items()})


def _line(bench: Bench, point: Point) -> AbstractContextManager[Batcher]:
    return own.batcher(bench.model, window_seconds=point.window, max_batch=point.batch, beam_size=point.beams)


def _run(line: Batcher, row: corpus.Known) -> Run:
    heard, used = own.heard(line, row.path, words=True)
    errors = accuracy.word_errors(row.text, heard.text)
    wrong = errors.substitutions + errors.deletions + errors.insertions
    starts = accuracy.sentence_starts(row.sentences, heard.words)
    return Run(60 * used / row.seconds, wrong, errors.words, starts)


def _report(bench: Bench, point: Point, runs: Sequence[Run], before: Sequence[Run]) -> None:
    used, starts = (median([getattr(run, name) for run in runs]) for name in ("used", "starts"))
    speed = sum(run.used for run in before) / sum(run.used for run in runs)
    rates = f"{100 * _rate(runs):.2f} % of words wrong ({', '.join(f'{100 * _rate([run]):.2f}' for run in runs)})"
    value = f"{used:.2f} processor seconds a minute, {speed:.2f} x; {rates}; {100 * starts:.1f} % of starts"
    bench.add(STEP, str(point), value)


def _rate(runs: Sequence[Run]) -> float:
    return sum(run.errors for run in runs) / sum(run.words for run in runs)
