"""The seam every diarizer stands behind: windows in, pieces of voices out."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.base import Window
from engines.speakers.fake_diarizer import FakeDiarizer
from engines.speakers.voice_piece import VoicePiece


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """What an operator may choose.

    model: `auto` for the networks that the extra `speakers` carries; a directory with `segmentation.onnx` and
    `embedding.onnx`; two such files of the Hugging Face hub (`owner/repository/path.onnx`) with a `+` between them;
    `fake`, for tests. threads: windows heard at once, each by one core. data_dir: where converted networks are kept.
    offline: never ask a model hub.
    """

    model: str = "auto"
    threads: int = 1
    data_dir: Path = Path("data")
    offline: bool = False


class Diarizer(Protocol):
    """Hears voices. Which of them belong to one person is for `settle`, once all windows have been heard.

    name: the networks and every setting that the pieces depend on, so it belongs into a checkpoint's plan.
    """

    name: str

    def submit(self, window: Window) -> Future[tuple[VoicePiece, ...]]:
        """The window's pieces in order of their start, from one of the diarizer's own threads. The future raises
        Canceled if nobody wants the window any more (`Window.is_canceled`)."""

    def pieces(self, window: Window) -> tuple[VoicePiece, ...]:
        """As `submit`, in the caller's thread. The same window always gives the same pieces."""

    def voiceprint(self, samples: NDArray[np.float32]) -> str:
        """Of one person who speaks alone. samples: float32, shape (n,), 16 kHz mono. Raises NoVoice if there is less
        than half a second of speech, and SeveralVoices if another person speaks in it for two seconds, too."""

    def close(self) -> None:
        """Gives the networks back; what is being heard is heard to its end."""


def load_diarizer(options: SpeakerOptions) -> Diarizer:
    """Loaded and ready. Raises EngineUnavailable (reason `speakers_not_installed`) if `auto` finds no networks, and
    ModelNotFound for a model that is not where it should be."""
    if options.model == "fake":
        return FakeDiarizer(options.threads)
    from engines.speakers.networks.files import find_networks
    from engines.speakers.networks.sessions import Networks
    from engines.speakers.onnx_diarizer import OnnxDiarizer

    files = find_networks(options.model, options.data_dir, offline=options.offline)
    return OnnxDiarizer(Networks(files), files.name, options.threads)
