"""One run: undisturbed first, then broken under load, then judged."""

from __future__ import annotations

import random
import time
from pathlib import Path

import httpx
import numpy as np

from tests import media
from tests.acceptance.live import ROOT, until
from tests.fleet.fleet import BOX, WORKER, Fleet, fleet
from tests.fleet.machine import PORT, Machine
from tests.soak import callbacks, verdict
from tests.soak.fleet.breaking import FleetBreaking
from tests.soak.fleet.verdict import SharedOutcomes, check_objects_of_jobs, nothing_is_left
from tests.soak.load import TRANSCRIPT, Load, Recording
from tests.soak.plan import FLEET, Pace, plan
from tests.soak.run import Report

BOXES, WORKERS = 2, 3
CALLS = 20.0  # a minute
FAULTS = 4.0  # a minute
ENGINE = {"WHISPER_MODEL": "0.3"}  # seconds a window
SHORT, LONG = 4, 300  # seconds of a recording
ANSWER = httpx.Timeout(60.0, connect=5.0)  # seconds


class AnyBox:
    """Clients call one or the other, whether it is there or not."""

    port = PORT

    def __init__(self, boxes: list[Machine], seed: int) -> None:
        self._boxes = boxes
        self._chance = random.Random(f"boxes {seed}")

    @property
    def host(self) -> str:
        return self._chance.choice(self._boxes).host

    def http(self, **headers: str) -> httpx.Client:
        client = self._chance.choice(self._boxes).http(**headers)
        client.timeout = ANSWER
        return client


def soak_fleet(directory: Path, seed: int, pace: Pace, scale: float = 1.0) -> Report:
    """scale: of the service's own durations, and of how long faults last. Raises NoMachines, or if the machines cannot
    even be started; what does not hold stands in the report."""
    print(f"seed {seed}, {pace}, {BOXES} boxes, {WORKERS} workers, times by {scale:g}", flush=True)
    with fleet(directory, callbacks.unwell, scale) as made:
        own = {**callbacks.SETTINGS, **ENGINE, "WHISPER_WEBHOOK_ALLOWED_NETWORKS": made.network.network}
        boxes = [made.add(BOX, f"box{number}", **own) for number in range(BOXES)]
        made.start(*boxes, *(made.add(WORKER, f"worker{number}", **own) for number in range(WORKERS)))
        return _soak(made, boxes, seed, pace, scale)


def _soak(made: Fleet, boxes: list[Machine], seed: int, pace: Pace, scale: float) -> Report:
    recordings = _recordings(boxes[0])
    script = plan(seed, pace, len(recordings), FLEET)
    began = time.monotonic()
    load = Load(AnyBox(boxes, seed), recordings, made.webhook_url, pace.patience)
    outcomes = SharedOutcomes(made)
    breaking = FleetBreaking(made, script.faults, began, scale)
    outcomes.start()
    breaking.start()
    try:
        load.run(script.calls, began)
    finally:
        breaking.join()
        outcomes.stop()
    for machine in made.machines:
        until(machine.is_ready, f"{machine.name} is ready again")
    box = boxes[-1]
    problems = [*breaking.errors, *load.problems, *verdict.wait_for_the_end(box)]
    outcomes.look()
    problems += [*outcomes.problems, *verdict.check_jobs(box, load, script.calls, recordings)]
    problems += callbacks.check_callbacks(made.receiver, load.accepted.values())
    problems += check_objects_of_jobs(made)
    verdict.remove_all(box)
    problems += nothing_is_left(made)
    return Report(seed, breaking.done, load.counts, len(load.accepted), time.monotonic() - began, tuple(problems))


def _recordings(box: Machine) -> list[Recording]:
    """Short ones first, each with what an undisturbed service makes of it."""
    voice = media.read(ROOT / "samples" / "meeting.mp3")
    paths = [
        media.write(box.directory / "clip.wav", voice[: SHORT * 16_000]),
        ROOT / "samples" / "meeting.mp3",
        media.write(box.directory / "long.flac", np.resize(voice, LONG * 16_000)),
    ]
    found = []
    for path in paths:
        job = box.ended(box.submit(path))
        assert job["status"] == "finished", job
        found.append(Recording(path, box.get(job["urls"]["transcript"], **TRANSCRIPT).json()))
    verdict.remove_all(box)
    return found
