"""A small box that takes uploads and two machines that work, on one Redis and one store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import media
from tests.acceptance.live import ROOT
from tests.fleet.fleet import BOX, WORKER, Fleet, Promised, fleet, transcript
from tests.fleet.machine import Machine
from tests.fleet.network import NoMachines

DISK = 1024**3  # bytes of the store's


@dataclass
class Three:
    """undisturbed: the transcript of the long file."""

    fleet: Fleet
    box: Machine
    mac: Machine
    pc: Machine
    long_file: Path
    undisturbed: Any

    def promise(self, count: int = 4, box: Machine | None = None) -> Promised:
        return Promised(self.fleet, box or self.box, self.long_file, self.undisturbed, count)


@pytest.fixture(scope="module")
def new_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Fleet]]:
    """Skips where there can be no machines."""
    try:
        with fleet(tmp_path_factory.mktemp("fleet"), disk=DISK) as made:
            yield lambda: made
    except NoMachines as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def three(new_fleet: Callable[[], Fleet]) -> Three:
    made = new_fleet()
    voice = media.read(ROOT / "samples" / "meeting.mp3")
    long_file = media.write(made.directory / "long.flac", np.tile(voice, math.ceil(300 * 16_000 / len(voice))))
    box, mac, pc = (made.add(roles, name) for roles, name in ((BOX, "box"), (WORKER, "mac"), (WORKER, "pc")))
    made.start(box, mac, pc)
    job = box.ended(box.submit(long_file))
    return Three(made, box, mac, pc, long_file, transcript(box, job["id"]))
