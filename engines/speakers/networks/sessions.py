"""The two networks at work, on onnxruntime: one thread a run, any number of runs at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE
from engines.errors import ModelNotFound
from engines.speakers.networks.filter_banks import BANDS, STEP
from engines.speakers.networks.narrow_band import Band, without_shared
from engines.speakers.networks.speech_frames import speech_classes
from engines.speakers.voice_piece import Embedding, normalised

FRAME = 270 / SAMPLE_RATE  # seconds from one frame of the segmentation to the next
FIRST = 360 / SAMPLE_RATE  # seconds before the first frame's own: a frame hears 991 samples, and tells of their middle
MIN_SAMPLES = 991  # of one frame
# Which of three voices speak, by the number of the class.
_SETS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)

Floats = NDArray[np.float32]
Active = NDArray[np.bool_]  # shape (frames, 3)


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """name: of both networks, for plans and logs. is_campplus: whether the embedding is known to be CAM++'s, so that
    what was measured of it holds."""

    segmentation: Path
    embedding: Path
    name: str
    is_campplus: bool = False


class Networks:
    """Raises ModelNotFound for a file that is none of the two."""

    def __init__(self, files: NetworkFiles) -> None:
        self._segmentation = _session(files.segmentation, rank=3)
        self._embedding = _session(files.embedding, rank=3, last=BANDS)
        self._is_campplus = files.is_campplus

    def active(self, samples: Floats, band: Band = Band.FULL) -> Active:
        """Who of three voices speaks in each frame of 17 ms. samples: of 10 s or so."""
        if len(samples) < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
        scores = _run(self._segmentation, samples[None, None, :])
        found: Active = _SETS[speech_classes(scores[0], samples, narrow=band is not Band.FULL)]
        return found

    def embedding(self, features: Floats, band: Band = Band.FULL) -> Embedding:
        """Of filter banks, shape (frames, 80), of one voice. At length 1. band: of the recording around it."""
        centred = features - features.mean(axis=0, keepdims=True)
        found = normalised(_run(self._embedding, centred[None])[0].astype(np.float32))
        return without_shared(found, band) if self._is_campplus else found


def features_between(features: Floats, spans: list[tuple[float, float]]) -> Floats:
    """Those of stretches in seconds from where the features begin, one after the other."""
    step = STEP / SAMPLE_RATE
    return np.concatenate([features[round(start / step) : round(end / step)] for start, end in spans])


def _session(path: Path, *, rank: int, last: int | None = None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the largest of all lengths, for each thread
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelNotFound(f"'{path}' cannot be read as a network: {str(error).splitlines()[0]}") from error
    (given,) = session.get_inputs()
    if len(given.shape) != rank or (last is not None and given.shape[-1] != last):
        raise ModelNotFound(f"'{path}' is another network: it takes numbers of the shape {given.shape}.")
    return session


def _run(session: Any, values: Floats) -> Floats:
    result: Floats = session.run(None, {session.get_inputs()[0].name: values})[0]
    return result
