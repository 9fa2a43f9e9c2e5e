"""Which words are heard, and when they were said."""

from __future__ import annotations

from scripts.benchmarking import corpus, own
from scripts.benchmarking.bench import Bench
from scripts.benchmarking.floor import Floor
from scripts.benchmarking.timed import Heard
from tests import accuracy

STEP = "Word errors"

Sides = dict[str, list[Heard]]  # of each that is compared, what it heard in every condition
Rates = dict[str, list[tuple[int, int]]]  # errors, and words that were said


def words(bench: Bench) -> None:
    """Words and times under several conditions."""
    known = corpus.conditions(bench.sizes.condition)
    sides = _heard(bench, known)
    rates = {name: [_errors(*row) for row in zip(known, side, strict=True)] for name, side in sides.items()}
    starts = [
        accuracy.sentence_starts(row.sentences, heard.words)
        for row, heard in zip(known, sides[bench.native.name], strict=True)
    ]
    for at, row in enumerate(known):
        ours, theirs, bare = (100 * side[at][0] / side[at][1] for side in rates.values())
        value = f"{ours:.2f} %; {theirs:.2f} %; {bare:.2f} %; {100 * starts[at]:.1f} %"
        bench.add(STEP, f"{row.name}: service; sequential with VAD; without the ladder; sentence starts", value)
    _report_totals(bench, rates, sum(row.seconds for row in known) / 60)
    worst = min(starts)
    bench.add(STEP, "sentence starts within 0.3 s, the worst condition", f"{100 * worst:.1f} %", "90 %", worst >= 0.9)
    bench.keep(STEP, "errors and words", rates)


def _heard(bench: Bench, known: list[corpus.Known]) -> Sides:
    sides: Sides = {bench.native.name: [], "sequential": []}
    with Floor(bench.weights, 1, 2) as floor:
        for row in known:
            bench.say(f"{row.name}: {row.seconds / 60:.1f} minutes")
            sides[bench.native.name].append(bench.native.run_job(row.path).heard[0])
            sides["sequential"].append(floor.sequential(row.path, vad=True))
    sides["no ladder"] = own.line(bench.model, [row.path for row in known], ladder=False)
    return sides


def _report_totals(bench: Bench, rates: Rates, minutes: float) -> None:
    totals = {name: sum(wrong for wrong, _ in side) / sum(spoken for _, spoken in side) for name, side in rates.items()}
    for name, rate in totals.items():
        bench.add(STEP, f"{name}, {minutes:.0f} minutes", f"{100 * rate:.2f} %")
    worse = totals[bench.native.name] - totals["sequential"]
    bench.add(STEP, "service against sequential", f"{100 * worse:+.2f} points", "at most +0.20", worse <= 0.002)


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


def _errors(known: corpus.Known, heard: Heard) -> tuple[int, int]:
    errors = accuracy.word_errors(known.text, heard.text)
    return errors.substitutions + errors.deletions + errors.insertions, errors.words
