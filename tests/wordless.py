"""Sounds that people make without a word: typing, breathing, applause. Made of bursts of noise through resonances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.speech import SAMPLE_RATE

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

_ROOM = 3e-4  # root mean square of the noise under all of them


def typing(seconds: float, seed: int = 0) -> Samples:
    """Words of 2 to 9 keys, eight a second, and pauses to think. A key clicks, hits the board, and clicks as it rises;
    every word ends with the deeper sound of the space bar."""
    chance = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * SAMPLE_RATE))
    key = _resonance(chance, [(2600, 0.004), (4100, 0.003), (240, 0.018)])
    click = _resonance(chance, [(3300, 0.003), (5200, 0.002)])
    bar = _resonance(chance, [(1500, 0.006), (170, 0.03)])
    at = 0.5
    while at < seconds - 1:
        for _ in range(chance.integers(2, 10)):
            _strike(sound, at, chance.uniform(0.4, 1.0) * key)
            _strike(sound, at + chance.uniform(0.06, 0.12), chance.uniform(0.1, 0.3) * click)
            at += max(0.05, chance.normal(0.125, 0.035))
        _strike(sound, at, chance.uniform(0.7, 1.0) * bar)
        at += chance.uniform(0.1, 0.25) if chance.random() < 0.85 else chance.uniform(0.8, 4.0)
    return _finished(sound, 0.3, chance)


def breathing(seconds: float, seed: int = 0) -> Samples:
    """In through the nose, out through the mouth, and a rest; each breath of another length and depth."""
    chance = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    air_in, air_out = np.zeros(count), np.zeros(count)
    at = 0.3
    while at < seconds - 5:
        depth = chance.uniform(0.4, 1.0)
        for air, length, level in ((air_in, chance.uniform(1.0, 1.6), 0.7), (air_out, chance.uniform(1.2, 2.2), 1.0)):
            first = round(at * SAMPLE_RATE)
            rise = np.sin(np.pi * np.linspace(0, 1, round(length * SAMPLE_RATE)) ** 0.7) ** 1.5
            air[first : first + len(rise)] += depth * level * rise
            at += length + chance.uniform(0.05, 0.3)
        at += chance.uniform(0.2, 1.2)
    nose = _resonance(chance, [(900, 0.002), (2200, 0.001), (3900, 0.0006)])
    mouth = _resonance(chance, [(550, 0.002), (1500, 0.0012), (2700, 0.0008)])
    moved = _through(air_in * chance.normal(0, 1, count), nose) + _through(air_out * chance.normal(0, 1, count), mouth)
    return _finished(moved, 0.2, chance)


def applause(seconds: float, seed: int = 0, people: int = 40) -> Samples:
    """Rounds of 8 to 20 s that swell and die away, in a hall. Everybody claps at a pace and a pitch of their own."""
    chance = np.random.default_rng(seed)
    heard = np.zeros(round(seconds * SAMPLE_RATE))
    rounds = _rounds(seconds, chance)
    for _ in range(people):
        pace, loudness = chance.uniform(2.8, 5.0), chance.uniform(0.2, 1.0)
        palms = _resonance(chance, [(chance.uniform(700, 2600), 0.005), (chance.uniform(2500, 4500), 0.002)])
        for start, end in rounds:
            begin, stop = start + chance.exponential(0.6), end - chance.exponential(1.5)
            moments = np.arange(begin, stop, 1 / pace)
            for moment in moments + chance.normal(0, 0.02, len(moments)):
                _strike(heard, moment, loudness * chance.uniform(0.5, 1.0) * palms)
    echo = chance.normal(0, 1, SAMPLE_RATE // 2) * np.exp(-np.arange(SAMPLE_RATE // 2) / (0.12 * SAMPLE_RATE))
    return _finished(heard + 0.02 * _through(heard, echo), 0.6, chance)


def _rounds(seconds: float, chance: np.random.Generator) -> list[tuple[float, float]]:
    found, at = [], 0.5
    while at < seconds - 4:
        end = min(at + chance.uniform(8, 20), seconds - 1)
        found.append((at, end))
        at = end + chance.uniform(1, 8)
    return found


def _strike(sound: Floats, second: float, blow: Floats) -> None:
    at = max(0, round(second * SAMPLE_RATE))
    part = sound[at : at + len(blow)]
    part += blow[: len(part)]


def _resonance(chance: np.random.Generator, modes: list[tuple[float, float]]) -> Floats:
    """What a blow sounds like: for each mode (Hz, seconds in which it falls to a third) a rough, decaying tone."""
    at = np.arange(SAMPLE_RATE // 20) / SAMPLE_RATE
    tones = [np.exp(-at / fall) * np.sin(2 * np.pi * pitch * at + chance.uniform(0, 6)) for pitch, fall in modes]
    rough = chance.normal(0, 1, len(at)) * np.exp(-at / min(fall for _, fall in modes))
    return np.asarray(sum(tones) + rough, np.float64)


def _through(sound: Floats, resonance: Floats) -> Floats:
    length = 2 ** (len(sound) + len(resonance)).bit_length()  # a length that transforms quickly
    spectrum = np.fft.rfft(sound, length) * np.fft.rfft(resonance, length)
    return np.asarray(np.fft.irfft(spectrum, length)[: len(sound)], np.float64)


def _finished(sound: Floats, peak: float, chance: np.random.Generator) -> Samples:
    loud = sound * (peak / np.quantile(np.abs(sound), 0.9999))
    return np.asarray(np.clip(loud + chance.normal(0, _ROOM, len(sound)), -1, 1), np.float32)
