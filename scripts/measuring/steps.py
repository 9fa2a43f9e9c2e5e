"""What is measured, one step for each promise."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from scripts.measuring import control
from scripts.measuring.memory import MemoryWatch, Peak
from scripts.measuring.report import Figure
from scripts.measuring.service import ENDED, Heard, ServiceClient, ServiceError
from tests import accuracy, media, speech

CLIP = Path(__file__).parent.parent.parent / "samples" / "meeting.mp3"
REST = 0.5  # seconds between two that take turns: idle threads of the one spin for a while after its work
MEMORY_GROWTH = 200  # MB that a long recording may cost more than one of five minutes
WORSE = 0.003  # word error rate that we may have above the control's
STARTS = 0.9  # share of sentence starts within the tolerance


@dataclass
class Measurement:
    """What all steps share. processes: ids of `api` and `worker`."""

    client: ServiceClient
    weights: Path
    processes: dict[str, int]
    minutes: float
    rounds: int
    short_minutes: float
    control_words: bool
    figures: list[Figure] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: str, wanted: str = "", met: bool | None = None) -> None:
        self.figures.append(Figure(name, value, wanted, met))
        say(f"{name}: {value}")


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def measure_silence(line: Measurement) -> None:
    with tempfile.TemporaryDirectory() as folder:
        heard = line.client.transcribe(media.write(Path(folder) / "silence.wav", speech.silence(30)))
    line.raw["silence"] = heard.text
    line.add("30 s of silence", repr(heard.text), "an empty text", heard.text == "")


def measure_clip(line: Measurement) -> None:
    """The clip, the service and the control in turns."""
    model = control.load(line.weights)
    for begin_warm in (partial(control.transcribe, model), line.client.transcribe):
        begin_warm(CLIP)
    ours, theirs = [], []
    for _ in range(line.rounds):
        time.sleep(REST)
        ours.append(line.client.transcribe(CLIP))
        time.sleep(REST)
        theirs.append(control.transcribe(model, CLIP))
    mine, plain = (statistics.median(heard.seconds for heard in side) for side in (ours, theirs))
    line.raw["clip"] = {"service": [row.seconds for row in ours], "control": [row.seconds for row in theirs]}
    line.add("11 s clip, sync json, median", f"{mine:.3f} s")
    line.add("the same by WhisperModel.transcribe in-process, median", f"{plain:.3f} s")
    line.add("ratio", f"{mine / plain:.2f}", "at most 1", mine <= plain)
    expected = CLIP.with_suffix(".txt").read_text(encoding="utf-8")
    wrong = max(accuracy.word_error_rate(expected, row.text) for row in ours)
    line.add("word errors of the clip", f"{100 * wrong:.2f} %", "0", wrong == 0)


def measure_long(line: Measurement) -> None:
    short, short_peaks = _run_job(line, line.short_minutes)
    ours, peaks = _run_job(line, line.minutes)
    say("the control is transcribing the same file")
    path = speech.recording_file(line.minutes)
    theirs, control_peak = control.transcribe_apart(line.weights, path)
    talk = speech.recording(line.minutes)
    _add_accuracy(line, talk, ours, theirs)
    _add_speed(line, talk.seconds, ours, theirs)
    _add_memory(line, short_peaks, peaks, control_peak)
    if line.control_words:
        say("the control is transcribing it again, with word times")
        timed, _ = control.transcribe_apart(line.weights, path, words=True)
        share = accuracy.sentence_starts(talk.sentences, timed.words)
        line.add("control with word times: sentence starts within 0.3 s", f"{100 * share:.1f} %")
        line.add("control with word times: word errors", _percent(accuracy.word_errors(talk.text, timed.text)))
    line.raw["long"] = {"service": asdict(ours), "control": asdict(theirs), "short": asdict(short)}


def measure_company(line: Measurement) -> None:
    """The clip while a long job runs. It ends when the job does, if that is sooner."""
    alone = [_in_turn(line).seconds for _ in range(line.rounds)]
    job_id = line.client.submit(speech.recording_file(line.minutes))
    try:
        _wait_until_it_runs(line.client, job_id)
        beside = [row.seconds for row in _while_running(line, job_id)]
    finally:
        line.client.delete(job_id)
    line.raw["company"] = {"alone": alone, "beside": beside}
    for name, times in (("idle", alone), ("while a long job runs", beside)):
        value = f"{statistics.median(times):.2f} s; {max(times):.2f} s" if times else "none"
        line.add(f"clip {name}, median and longest of {len(times)}", value)
    line.add("the clip answers while the long job runs", "yes" if beside else "no", "yes", bool(beside))


def _run_job(line: Measurement, minutes: float) -> tuple[Heard, dict[str, Peak]]:
    path = speech.recording_file(minutes)
    say(f"the service is transcribing {minutes:g} minutes as a job")
    with MemoryWatch(line.processes) as watch:
        job_id = line.client.submit(path)
        line.client.ended(job_id)
    try:
        return line.client.transcript(job_id), watch.peaks
    finally:
        line.client.delete(job_id)


def _add_accuracy(line: Measurement, talk: speech.Recording, ours: Heard, theirs: Heard) -> None:
    mine, plain = (accuracy.word_errors(talk.text, heard.text) for heard in (ours, theirs))
    share = accuracy.sentence_starts(talk.sentences, ours.words)
    line.add(f"word errors, {talk.seconds / 60:.1f} minutes, {mine.words} words", _percent(mine))
    line.add("control: sequential faster-whisper, beam 5, VAD", _percent(plain))
    difference = mine.rate - plain.rate
    line.add("difference", f"{100 * difference:+.2f} points", "at most +0.30", difference <= WORSE)
    line.add(f"sentence starts within 0.3 s, of {len(talk.sentences)}", f"{100 * share:.1f} %", "90 %", share >= STARTS)
    errors = [error for error in accuracy.start_errors(talk.sentences, ours.words) if error is not None]
    line.add("sentence starts, median lateness", f"{statistics.median(errors):+.2f} s")


def _percent(errors: accuracy.WordErrors) -> str:
    kinds = f"{errors.substitutions} wrong, {errors.deletions} lost, {errors.insertions} added"
    return f"{100 * errors.rate:.2f} % ({kinds})"


def _add_speed(line: Measurement, seconds: float, ours: Heard, theirs: Heard) -> None:
    line.add("speed", f"{seconds / ours.seconds:.1f} x real time ({ours.seconds:.0f} s)")
    line.add("control: speed", f"{seconds / theirs.seconds:.1f} x real time ({theirs.seconds:.0f} s)")


def _add_memory(line: Measurement, short: dict[str, Peak], long: dict[str, Peak], plain: Peak) -> None:
    for name, peak in long.items():
        line.add(f"peak memory of the {name}, {line.minutes:g} minutes", _megabytes(peak))
        line.add(f"peak memory of the {name}, {line.short_minutes:g} minutes", _megabytes(short[name]))
    growth = long["worker"].rss - short["worker"].rss
    line.add("the worker's growth", f"{growth:+.0f} MB", f"within {MEMORY_GROWTH} MB", growth <= MEMORY_GROWTH)
    line.add("control: peak memory", _megabytes(plain))
    line.raw["memory"] = {
        "short": {name: asdict(peak) for name, peak in short.items()},
        "long": {name: asdict(peak) for name, peak in long.items()},
        "control": asdict(plain),
    }


def _megabytes(peak: Peak) -> str:
    return f"{peak.rss:.0f} MB" + (f" (PSS {peak.pss:.0f} MB)" if peak.pss else "")


def _in_turn(line: Measurement) -> Heard:
    time.sleep(REST)
    return line.client.transcribe(CLIP)


def _wait_until_it_runs(client: ServiceClient, job_id: str) -> None:
    deadline = time.monotonic() + 120
    while not client.job(job_id)["processed_seconds"]:
        if time.monotonic() > deadline:
            raise ServiceError(f"The job {job_id} has not begun within two minutes.")
        time.sleep(0.2)


def _while_running(line: Measurement, job_id: str) -> Iterator[Heard]:
    """Clips that were answered before the job ended."""
    for _ in range(line.rounds):
        heard = _in_turn(line)
        if line.client.job(job_id)["status"] in ENDED:
            return
        yield heard


STEPS: dict[str, Callable[[Measurement], None]] = {
    "silence": measure_silence,
    "clip": measure_clip,
    "long": measure_long,
    "company": measure_company,
}
