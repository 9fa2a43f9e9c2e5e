"""Meetings composed of recorded voices, with exact truth: who speaks when follows from the energy of each voice alone.

voices ─► turns of 1 to 9 s, cut in pauses ─► one after another, some of them over the end of the one before ─► a room,
a telephone or music, if asked for ─► samples and turns
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE
from engines.speakers.turns import Turn

Samples = NDArray[np.float32]

SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a")
_FRAME = 160  # samples whose energy is measured: 10 ms
_SPOKEN = 0.03  # of a voice's loud frames, from which somebody speaks: -30 dB; in a noisy recording …
_OVER_NOISE = 2.5  # … so many times its noise: 8 dB
_JOINED = 0.3  # seconds of a pause within one turn
_LEVEL = 0.06  # root mean square of a voice


@dataclass(frozen=True, slots=True)
class Meeting:
    """How a meeting is composed. speakers: how many, or by their shares of the turns. seconds: at most. overlap: share
    of turns that begin before the one before has ended. room: seconds of reverberation. telephone: 300 Hz to 3.4 kHz.
    music: a minute in, there is half a minute of it."""

    speakers: int
    seconds: float
    seed: int = 0
    overlap: float = 0.1
    room: float = 0.0
    telephone: bool = False
    music: bool = False
    noise: float = 0.001  # root mean square


def read_voices(folder: Path, least: float = 8.0) -> dict[str, list[Samples]]:
    """Every voice's recordings. folder: has one folder for each voice, or files whose names begin with the voice's and
    a dash, as LibriSpeech's do. Voices of fewer than `least` seconds are left out."""
    voices: dict[str, list[Samples]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        name = path.name.split("-")[0] if path.parent == folder else path.relative_to(folder).parts[0]
        voices.setdefault(name, []).append(_read(path))
    return {name: own for name, own in voices.items() if sum(map(len, own)) >= least * SAMPLE_RATE}


def compose(voices: Mapping[str, Sequence[Samples]], meeting: Meeting) -> tuple[Samples, list[Turn]]:
    """The sound and who speaks when. ends early if the voices have said all they have."""
    chance = np.random.default_rng(meeting.seed)
    names = [str(name) for name in chance.permutation(sorted(voices))[: meeting.speakers]]
    parts = {name: _turns_of(voices[name], chance) for name in names}
    placed: list[tuple[str, int, Samples]] = []
    at, before = SAMPLE_RATE // 2, ""
    while at < meeting.seconds * SAMPLE_RATE and any(parts.values()):
        left = [name for name in names if parts[name] and name != before] or [name for name in names if parts[name]]
        before = str(chance.choice(left))
        sound = _in_band(parts[before].pop()) if meeting.telephone else parts[before].pop()
        if placed and chance.random() < meeting.overlap and before != placed[-1][0]:
            at -= int(min(len(placed[-1][2]), len(sound)) * chance.uniform(0.1, 0.5))
        placed.append((before, at, sound))
        at = max(at + len(sound), at) + int(chance.uniform(0.05, 0.8) * SAMPLE_RATE)
        if meeting.music and at > 60 * SAMPLE_RATE and not any(name == "" for name, _, _ in placed):
            placed.append(("", at, _tune(30.0, chance)))
            at += 31 * SAMPLE_RATE
    return _mixed(placed, meeting, chance), _truth(placed)


def _read(path: Path) -> Samples:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        frames = [each for frame in container.decode(audio=0) for each in resampler.resample(frame)]
        frames += resampler.resample(None)
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def _turns_of(recordings: Sequence[Samples], chance: np.random.Generator) -> list[Samples]:
    """All that a voice says, in turns of 1 to 9 s, cut where it is quietest."""
    found = []
    for recording in recordings:
        rest = _trimmed(recording)
        while len(rest) > SAMPLE_RATE:
            wanted = int(chance.uniform(1.0, 9.0) * SAMPLE_RATE)
            end = _quietest(rest, wanted) if len(rest) > wanted + SAMPLE_RATE else len(rest)
            if end <= 9.5 * SAMPLE_RATE:
                found.append(_level(_trimmed(rest[:end]), chance.uniform(0.7, 1.4)))
            rest = rest[end:]
    return [found[number] for number in chance.permutation(len(found))]


def _quietest(samples: Samples, wanted: int) -> int:
    """The sample within half a second of the wanted one around which it is quietest."""
    first = max(wanted - SAMPLE_RATE // 2, SAMPLE_RATE // 2)
    around = _loudness(samples[first : wanted + SAMPLE_RATE // 2])
    smooth = np.convolve(around, np.ones(9) / 9, "same")
    return first + int(smooth.argmin()) * _FRAME


def _loudness(samples: Samples) -> NDArray[np.float32]:
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return np.asarray(np.sqrt(np.square(frames).mean(axis=1)), np.float32)


def _spoken(samples: Samples) -> NDArray[np.intp]:
    """The frames in which somebody speaks."""
    loudness = _loudness(samples)
    if not len(loudness):
        return np.zeros(0, np.intp)
    noise, loud = np.percentile(loudness, (5, 95))
    return np.flatnonzero(loudness > max(_SPOKEN * loud, min(_OVER_NOISE * noise, 0.2 * loud)))


def _trimmed(samples: Samples) -> Samples:
    voiced = _spoken(samples)
    return samples[voiced[0] * _FRAME : (voiced[-1] + 1) * _FRAME] if len(voiced) else samples[:0]


def _level(samples: Samples, factor: float) -> Samples:
    return np.asarray(samples * (factor * _LEVEL / max(float(np.sqrt(np.square(samples).mean())), 1e-6)), np.float32)


def _truth(placed: Sequence[tuple[str, int, Samples]]) -> list[Turn]:
    turns = []
    for name, start, sound in placed:
        if not name:
            continue
        spoken = _spoken(sound)
        groups = np.split(spoken, np.flatnonzero(np.diff(spoken) * _FRAME > _JOINED * SAMPLE_RATE) + 1)
        for group in groups:
            first, last = start + int(group[0]) * _FRAME, start + (int(group[-1]) + 1) * _FRAME
            turns.append(Turn(name, round(first / SAMPLE_RATE, 3), round(last / SAMPLE_RATE, 3)))
    return sorted(turns, key=lambda turn: turn.start)


def _mixed(placed: Sequence[tuple[str, int, Samples]], meeting: Meeting, chance: np.random.Generator) -> Samples:
    end = max((start + len(sound) for _, start, sound in placed), default=0) + SAMPLE_RATE
    mixed = np.zeros(end, np.float32)
    rooms = {name: _echo(meeting.room, chance) for name in {name for name, _, _ in placed}} if meeting.room else {}
    for name, start, sound in placed:
        heard = _convolved(sound, rooms[name]) if meeting.room else sound
        heard = heard[: end - start]
        mixed[start : start + len(heard)] += heard
    mixed += chance.normal(0, meeting.noise, end).astype(np.float32)
    return _telephone(mixed) if meeting.telephone else mixed


def _echo(seconds: float, chance: np.random.Generator) -> Samples:
    """A room's answer to a click: the direct sound, then noise that dies away by 60 dB in so many seconds."""
    length = int(seconds * SAMPLE_RATE)
    tail = chance.normal(0, 1, length) * 10 ** (-3 * np.arange(length) / length)
    tail[: SAMPLE_RATE // 200] = 0.0
    tail *= 0.6 / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    return tail.astype(np.float32)


def _convolved(sound: Samples, answer: Samples) -> Samples:
    size = 1 << (len(sound) + len(answer)).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(answer, size)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(sound) + len(answer) - 1], np.float32)


def _in_band(samples: Samples) -> Samples:
    """What a telephone carries of it, 300 Hz to 3.4 kHz: truth is told by what can be heard there."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def _telephone(samples: Samples) -> Samples:
    """In band, at 8 kHz, in the eight bits of G.711's mu-law, and back at 16 kHz."""
    spectrum = np.fft.rfft(_in_band(samples), len(samples) + len(samples) % 2)
    half = (len(spectrum) - 1) // 2 + 1
    narrow = np.fft.irfft(spectrum[:half]) / 2
    loud = np.abs(narrow).max(initial=1e-6)
    coded = np.round(127 * np.sign(narrow) * np.log1p(255 * np.abs(narrow) / loud) / np.log(256)) / 127
    heard = loud * np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255
    return np.asarray(2 * np.fft.irfft(np.fft.rfft(heard), 2 * len(heard)), np.float32)


def _tune(seconds: float, chance: np.random.Generator) -> Samples:
    """Notes of a pentatonic scale on a plucked string."""
    at = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    pitches = 220.0 * 2.0 ** (chance.choice([0, 2, 4, 7, 9, 12], size=int(seconds * 2)) / 12)
    envelope = np.exp(-4 * at) * np.minimum(1.0, at * 200)
    notes = [sum(np.sin(2 * np.pi * pitch * k * at) / k**2 for k in range(1, 5)) * envelope for pitch in pitches]
    return (0.2 * np.concatenate(notes)).astype(np.float32)
