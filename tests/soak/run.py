"""One run: undisturbed first, then broken under load, then judged."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.weights.ctranslate2 import find_ctranslate2_weights
from tests import media, speech
from tests.acceptance.live import ROOT, LiveService, until
from tests.receiver import Receiver, receiving
from tests.soak import callbacks, slow_names, verdict
from tests.soak.breaking import Breaking
from tests.soak.load import TRANSCRIPT, Load, Recording
from tests.soak.plan import Pace, plan


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine with what its processor can take: settings, calls a minute, and how often the talk is repeated in the
    longest recording."""

    settings: dict[str, str]
    calls_per_minute: float
    long: int


ENGINES = {
    "base": Kind({"WHISPER_MODEL": "base", "WHISPER_COMPUTE_TYPE": "int8"}, 12.0, 2),
    "fake": Kind({"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "0.3", "WHISPER_MAX_BATCH": "1"}, 40.0, 6),
}


@dataclass(frozen=True, slots=True)
class Report:
    seed: int
    faults: Counter[str]
    calls: Counter[str]
    jobs: int
    seconds: float
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.jobs} accepted jobs, {self.seconds:.0f} s",
            "faults: " + ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items())),
            "calls: " + ", ".join(f"{name} {count}" for name, count in sorted(self.calls.items())),
            *self.problems,
            f"{len(self.problems)} problems" if self.problems else "everything held",
        ]
        return "\n".join(lines)


def soak(directory: Path, seed: int, pace: Pace, engine: str) -> Report:
    """Raises where the service cannot even be started; what does not hold stands in the report."""
    print(f"seed {seed}, {pace}, {engine}", flush=True)
    kind = ENGINES[engine]
    path = slow_names.prepare(directory)
    service = LiveService(directory, {**kind.settings, **callbacks.SETTINGS, "PYTHONPATH": path})
    if "WHISPER_ENGINE" not in kind.settings:
        service.data.mkdir(parents=True)
        weights = find_ctranslate2_weights("base", ROOT / ".cache")
        (service.data / "models").symlink_to(weights.parent, target_is_directory=True)
    service.start()
    try:
        with receiving(callbacks.unwell) as receiver:
            return _soak(service, receiver, seed, pace, kind)
    finally:
        service.stop()


def _soak(service: LiveService, receiver: Receiver, seed: int, pace: Pace, kind: Kind) -> Report:
    recordings = _recordings(service, kind.long)
    script = plan(seed, pace, len(recordings))
    began = time.monotonic()
    load = Load(service, recordings, receiver.url(host=slow_names.NAME), pace.patience)
    outcomes = verdict.Outcomes(service.data / "jobs")
    breaking = Breaking(service, script.faults, began)
    outcomes.start()
    breaking.start()
    try:
        load.run(script.calls, began)
    finally:
        breaking.join()
        outcomes.stop()
    until(lambda: service.is_ready(), "the service is ready again")
    problems = [*breaking.errors, *load.problems, *verdict.wait_for_the_end(service)]
    outcomes.look()
    problems += [*outcomes.problems, *verdict.check_jobs(service, load, script.calls, recordings)]
    problems += callbacks.check_callbacks(receiver, load.accepted.values())
    problems += verdict.check_files_of_jobs(service)
    verdict.remove_all(service)
    problems += verdict.nothing_is_left(service)
    return Report(seed, breaking.done, load.counts, len(load.accepted), time.monotonic() - began, tuple(problems))


def _recordings(service: LiveService, long: int) -> list[Recording]:
    """Short ones first, each with what an undisturbed service makes of it."""
    talk = speech.recording(1.25).samples
    paths = [
        media.write(service.directory / "clip.wav", talk[: 4 * speech.SAMPLE_RATE]),
        ROOT / "samples" / "meeting.mp3",
        media.write(service.directory / "talk.flac", talk),
        media.write(service.directory / "long.flac", np.tile(talk, long)),
    ]
    found = []
    for path in paths:
        job = service.ended(service.submit(path))
        assert job["status"] == "finished", job
        found.append(Recording(path, service.get(job["urls"]["transcript"], **TRANSCRIPT).json()))
    verdict.remove_all(service)
    return found
