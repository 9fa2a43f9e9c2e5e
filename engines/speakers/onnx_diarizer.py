"""Hears voices with segmentation-3.0 and CAM++ on onnxruntime.

window ─► chunks of about 10 s ─► who of three voices speaks when ─► pieces ─► an embedding of each that is long enough
─► in the recording's seconds
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE, Window
from engines.errors import Canceled, NoVoice, SeveralVoices
from engines.speakers.known_speakers import is_of_several
from engines.speakers.local_voices import LocalPiece, local_pieces
from engines.speakers.networks.filter_banks import filter_banks
from engines.speakers.networks.narrow_band import Band, band_of
from engines.speakers.networks.sessions import Networks, features_between
from engines.speakers.networks.speech_frames import levels
from engines.speakers.placing import placed
from engines.speakers.settling import CLUSTERED
from engines.speakers.voice_piece import Embedding, VoicePiece, encoded

CHUNK = 10.0  # seconds the segmentation was trained on
SHORTEST = 0.3  # seconds of speech that make an embedding
SHORTEST_REFERENCE = 0.5  # seconds of clean speech by which somebody is known
CHUNKS = 16  # numbers of chunks that a window has for itself; 30 s have 3
RECIPE = 4  # raise it if other pieces come out of the same window: a checkpoint's are used no more then


class OnnxDiarizer:
    def __init__(self, networks: Networks, name: str, threads: int = 1) -> None:
        self.name = f"{name}, recipe {RECIPE}"
        self._networks = networks
        self._threads = ThreadPoolExecutor(threads, "diarizer")

    def submit(self, window: Window) -> Future[tuple[VoicePiece, ...]]:
        return self._threads.submit(self.pieces, window)

    def pieces(self, window: Window) -> tuple[VoicePiece, ...]:
        found: list[VoicePiece] = []
        count = max(1, -int(-window.seconds // CHUNK))
        edges = np.linspace(0, len(window.samples), count + 1).astype(int)
        for number, (start, end) in enumerate(pairwise(edges)):
            if window.is_canceled():
                raise Canceled()
            found += self._of_chunk(window, window.index * CHUNKS + number, int(start), int(end))
        return tuple(sorted(found, key=lambda piece: (piece.start, piece.chunk, piece.voice)))

    def voiceprint(self, samples: NDArray[np.float32]) -> str:
        """Of all the speech there is, since one person speaks alone."""
        features = filter_banks(samples)
        band = band_of(features)
        is_speech = self._networks.active(samples, band).sum(axis=1) == 1
        pieces = local_pieces(is_speech[:, None], levels(samples, len(is_speech)), len(samples) / SAMPLE_RATE)
        if sum(piece.clean_seconds for piece in pieces) < SHORTEST_REFERENCE:
            raise NoVoice()
        long = [piece for piece in pieces if piece.clean_seconds >= CLUSTERED]
        if is_of_several([(self._embedding(features, piece.clean, band), piece.clean_seconds) for piece in long]):
            raise SeveralVoices()
        return encoded(self._embedding(features, [span for piece in pieces for span in piece.clean], band))

    def close(self) -> None:
        self._threads.shutdown()

    def _embedding(self, features: NDArray[np.float32], spans: Iterable[tuple[float, float]], band: Band) -> Embedding:
        return self._networks.embedding(features_between(features, list(spans)), band)

    def _of_chunk(self, window: Window, chunk: int, start: int, end: int) -> list[VoicePiece]:
        samples = window.samples[start:end]
        features = filter_banks(samples)
        band = band_of(features)
        active = self._networks.active(samples, band)
        heard = local_pieces(active, levels(samples, len(active)), len(samples) / SAMPLE_RATE)
        found = []
        for piece in heard:
            begin = start / SAMPLE_RATE
            if spans := placed(window, ((begin + first, begin + last) for first, last in piece.spans)):
                voiceprint = self._voiceprint_of(piece, features, band)
                found.append(VoicePiece(chunk, piece.voice, spans, round(piece.clean_seconds, 3), voiceprint))
        return found

    def _voiceprint_of(self, piece: LocalPiece, features: NDArray[np.float32], band: Band) -> str:
        """Of what is heard alone; of all of it if that is too little: whoever talks into it, is heard less."""
        spans = piece.clean if piece.clean_seconds >= SHORTEST else piece.spans
        if sum(end - start for start, end in spans) < SHORTEST:
            return ""
        heard = features_between(features, list(spans))
        return encoded(self._networks.embedding(heard, band)) if len(heard) > 1 else ""
