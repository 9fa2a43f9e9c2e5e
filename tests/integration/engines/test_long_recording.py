"""Ten hours as recorders leave them: a late start, gaps, damaged packets. Right times at the end, in flat memory."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from engines.audio.reader import AudioReader
from tests import odd_media

RATE = 16_000
TURN = 20.0  # seconds of sound that come again and again
TURNS = 1800  # ten hours
LATE = 4.9  # seconds at which the sound begins
GAP_EVERY, GAP = 30, 17.3  # turns between two gaps, and the seconds of one
DAMAGED = 0.001  # of the packets
BURST = 10.0  # seconds into the last turn
MEMORY = 40e6  # bytes the process may grow by, once it reads

Samples = NDArray[np.float32]


def murmur() -> Samples:
    return np.random.default_rng(0).normal(0, 0.02, round(TURN * RATE)).astype(np.float32)


def with_burst() -> Samples:
    sound = murmur()
    at = np.arange(RATE // 10)
    sound[round(BURST * RATE) : round(BURST * RATE) + len(at)] = 0.8 * np.sin(at * 0.4)
    return sound


def packets(sound: Samples, folder: Path) -> list[tuple[float, bytes]]:
    """When each packet of the sound, in Opus, begins, and what is in it."""
    path = odd_media.restamped(folder / "turn.webm", sound, lambda at: at)
    with av.open(str(path)) as container:
        stamped = [(float((p.pts or 0) * p.time_base), bytes(p)) for p in container.demux(audio=0) if p.size]
    return [(at, content) for at, content in stamped if at < TURN - 0.01]  # the codec ends a little later


def begins(turn: int) -> float:
    return LATE + turn * TURN + GAP * (turn // GAP_EVERY)


def write(path: Path) -> None:
    chance = random.Random(0)
    ordinary, last = packets(murmur(), path.parent), packets(with_burst(), path.parent)
    with av.open(str(path.parent / "turn.webm")) as source, av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        unit = source.streams.audio[0].time_base
        assert unit is not None
        for turn in range(TURNS):
            for at, content in last if turn == TURNS - 1 else ordinary:
                is_damaged = turn < TURNS - 1 and chance.random() < DAMAGED
                packet = av.Packet(chance.randbytes(len(content)) if is_damaged else content)
                packet.stream, packet.time_base = stream, unit
                packet.pts = packet.dts = round((begins(turn) + at) / unit)
                container.mux(packet)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_hours_with_gaps_and_damage_end_at_the_right_time(tmp_path: Path) -> None:
    """Takes five minutes, for it writes ten hours and reads them."""
    write(tmp_path / "long.mkv")
    process, start, most, found, at = psutil.Process(), 0, 0, 0.0, 0
    with AudioReader(tmp_path / "long.mkv") as reader:
        for number, block in enumerate(reader):
            if number == 100:
                start = process.memory_info().rss
            if number % 1000 == 100:
                most = max(most, process.memory_info().rss)
            if at > begins(TURNS - 1) * RATE and not found and np.abs(block).max() > 0.4:
                found = (at + int(np.flatnonzero(np.abs(block) > 0.4)[0])) / RATE
            at += len(block)
        assert reader.decoded == pytest.approx(begins(TURNS - 1) + TURN, abs=0.1)
    print(f"{at / RATE:.0f} s; {found - begins(TURNS - 1) - BURST:+.3f} s off; {(most - start) / 1e6:.1f} MB")
    assert found == pytest.approx(begins(TURNS - 1) + BURST, abs=0.1)
    assert most - start < MEMORY
