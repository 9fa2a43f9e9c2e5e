"""What is transcribed: known talk under several conditions, clips of it, and sounds without words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests import media, speech
from tests import wordless as noises
from tests.speech import Recording, Samples, Sentence

CACHE = speech.CACHE / "benchmark"
SAMPLE_RATE = speech.SAMPLE_RATE
MARGIN = 0.3  # seconds of silence kept around a clip
_MU = 255  # of the mu-law that telephones compress loudness by

Change = Callable[[Recording], Recording]


@dataclass(frozen=True, slots=True)
class Known:
    """A recording whose text and sentence times are known."""

    name: str
    path: Path
    sentences: tuple[Sentence, ...]
    seconds: float

    @property
    def text(self) -> str:
        return " ".join(sentence.text for sentence in self.sentences)


def talk(minutes: float, seed: int = 1) -> Known:
    """The talk of the tests; the one of 45 minutes serves shorter lengths too, so that it is spoken only once."""
    whole = speech.recording(45 if seed == 1 and minutes > 15 else minutes, seed)
    return _kept(f"talk-{minutes:g}min-seed{seed}", lambda: part(whole, 0, minutes * 60))


def over_and_over(minutes: float, hours: float) -> Path:
    """The talk again and again: a recording that outlasts what is measured beside it."""
    path = CACHE / f"talk-{minutes:g}min-for-{hours:g}h.mp3"
    if not path.exists():
        samples = media.read(talk(minutes).path, SAMPLE_RATE)
        media.write(path, np.tile(samples, -(-round(hours * 3600 * SAMPLE_RATE) // len(samples))), bit_rate=48_000)
    return path


def conditions(minutes: float, changes: Mapping[str, Change] | None = None) -> list[Known]:
    """Clean, in noise, faster, quieter, with music between: each from another part of the talk; parts may overlap."""
    changes = changes or CONDITIONS
    whole = speech.recording(45 if minutes > 1 else 3)
    length = minutes * 60
    step = (whole.seconds - length) / (len(changes) - 1)
    return [
        _kept(f"{name}-{minutes:g}min", lambda change=change, at=at: change(part(whole, at * step, length)))  # type: ignore[misc]
        for at, (name, change) in enumerate(changes.items())
    ]


def clips(count: int = 24) -> list[Known]:
    """Whole sentences of 5 to 30 s, evenly spread over these lengths, in chance order."""
    whole = speech.recording(10, 2)
    lengths = np.random.default_rng(3).permutation(np.linspace(5, 28, count))
    found: list[Known] = []
    at = 0
    for number, length in enumerate(lengths):
        first = at
        while at < len(whole.sentences) - 1 and whole.sentences[at].end - whole.sentences[first].start < length:
            at += 1
        last = max(first + 1, at)
        start = whole.sentences[first].start - MARGIN
        clip = part(whole, max(0.0, start), whole.sentences[last - 1].end + MARGIN - max(0.0, start))
        found.append(_kept(f"clip-{number}-of-{count}", lambda clip=clip: clip))  # type: ignore[misc]
        at = last if last < len(whole.sentences) - 8 else 0
    return found


def wordless(seconds: float) -> dict[str, Path]:
    """Sounds in which nobody speaks."""
    sounds: dict[str, Callable[[float], Samples]] = {
        "silence": speech.silence, "tune": speech.tone, "noise": speech.noise,
        "typing": noises.typing, "breathing": noises.breathing, "applause": noises.applause,
    }  # fmt: skip
    CACHE.mkdir(parents=True, exist_ok=True)
    paths = {name: CACHE / f"{name}-{seconds:g}s.flac" for name in sounds}
    for name, path in paths.items():
        if not path.exists():
            media.write(path, sounds[name](seconds))
    return paths


def part(whole: Recording, start: float, seconds: float) -> Recording:
    """The sentences that lie in this stretch whole, and no half ones at its edges."""
    inside = [row for row in whole.sentences if row.start >= start + MARGIN / 2 and row.end <= start + seconds]
    begin = max(start, inside[0].start - MARGIN) if inside[0].start - start > 1 else start
    end = min(start + seconds, inside[-1].end + MARGIN)
    samples = whole.samples[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    moved = tuple(replace(row, start=row.start - begin, end=row.end - begin) for row in inside)
    return Recording(samples, moved)


def noisy(clean: Recording, ratio: float = 15.0) -> Recording:
    """White noise under it; ratio: of speech to noise, in dB."""
    level = float(np.sqrt(np.mean(clean.samples**2))) * 10 ** (-ratio / 20)
    noise = speech.noise(len(clean.samples) / SAMPLE_RATE, level)[: len(clean.samples)]
    return Recording(clean.samples + noise, clean.sentences)


def quieter(clean: Recording, decibel: float = 25.0) -> Recording:
    return Recording((clean.samples * 10 ** (-decibel / 20)).astype(np.float32), clean.sentences)


def faster(clean: Recording, tempo: float = 1.25) -> Recording:
    """At another tempo, at the same pitch (FFmpeg's atempo)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="flt", layout="mono", time_base=Fraction(1, SAMPLE_RATE))
    tempo_filter, sink = graph.add("atempo", f"{tempo}"), graph.add("abuffersink")
    source.link_to(tempo_filter)
    tempo_filter.link_to(sink)
    graph.configure()
    samples = np.concatenate(list(_filtered(graph, clean.samples)))
    moved = tuple(replace(row, start=row.start / tempo, end=row.end / tempo) for row in clean.sentences)
    return Recording(samples.astype(np.float32), moved)


def telephone(clean: Recording) -> Recording:
    """From 300 to 3400 Hz, as filters of second and eighth order make it, in the 8 bits of the mu-law."""
    hertz = np.maximum(np.fft.rfftfreq(len(clean.samples), 1 / SAMPLE_RATE), 1.0)
    kept = 1 / np.sqrt((1 + (300 / hertz) ** 4) * (1 + (hertz / 3400) ** 16))
    narrow = np.clip(np.fft.irfft(np.fft.rfft(clean.samples) * kept, len(clean.samples)), -1, 1)
    steps = np.round(np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU) * 127) / 127
    samples = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU
    return Recording(samples.astype(np.float32), clean.sentences)


def two_speakers(clean: Recording, pitch: float = 1.18) -> Recording:
    """Two sentences by the voice, two by a higher one, and so on."""
    samples = clean.samples.copy()
    for number, sentence in enumerate(clean.sentences):
        if number // 2 % 2:
            first, last = (round(edge * SAMPLE_RATE) for edge in (sentence.start, sentence.end))
            own = samples[first:last]
            higher = np.interp(np.arange(0, len(own) - 1, pitch), np.arange(len(own)), own).astype(np.float32)
            stretched = faster(Recording(higher, ()), 1 / pitch).samples[: len(own)]
            samples[first:last] = np.pad(stretched, (0, len(own) - len(stretched)))
    return Recording(samples, clean.sentences)


def with_music(clean: Recording, every: float = 60.0, seconds: float = 15.0) -> Recording:
    """A tune after about every minute, in a pause between two sentences."""
    pieces: list[Samples] = []
    sentences: list[Sentence] = []
    begun = shift = 0.0
    for number, sentence in enumerate(clean.sentences):
        sentences.append(replace(sentence, start=sentence.start + shift, end=sentence.end + shift))
        is_last = number == len(clean.sentences) - 1
        cut = len(clean.samples) / SAMPLE_RATE if is_last else (sentence.end + clean.sentences[number + 1].start) / 2
        if is_last or cut - begun >= every:
            pieces.append(clean.samples[round(begun * SAMPLE_RATE) : round(cut * SAMPLE_RATE)])
            if not is_last:
                pieces.append(speech.tone(seconds, seed=number))
                shift += seconds
            begun = cut
    return Recording(np.concatenate(pieces), tuple(sentences))


CONDITIONS: dict[str, Change] = {
    "clean": lambda clean: clean,
    "noise at 15 dB": noisy,
    "1.25 times faster": faster,
    "25 dB quieter": quieter,
    "music between": with_music,
}
ALL_CONDITIONS: dict[str, Change] = {**CONDITIONS, "telephone": telephone, "two speakers": two_speakers}


def _filtered(graph: Any, samples: Samples) -> Iterator[Samples]:
    step = SAMPLE_RATE
    for at in range(0, len(samples), step):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + step], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = at
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: Any) -> Iterator[Samples]:
    while True:
        try:
            yield graph.pull().to_ndarray()[0]
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _kept(name: str, make: Callable[[], Recording]) -> Known:
    """The recording as a FLAC file in the cache, its sentences beside it."""
    path = CACHE / f"{name.replace(' ', '-')}-v{speech.VERSION}.flac"
    rows = path.with_suffix(".json")
    if not rows.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = make()
        media.write(path, made.samples)
        content = {"seconds": made.seconds, "sentences": [asdict(row) for row in made.sentences]}
        rows.write_text(json.dumps(content), encoding="utf-8")
    known = json.loads(rows.read_text(encoding="utf-8"))
    return Known(name, path, tuple(Sentence(**row) for row in known["sentences"]), known["seconds"])
