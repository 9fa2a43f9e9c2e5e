"""How long a window is encoded, padded with silence: on a CPU the encoder is most of a short window's cost."""

from __future__ import annotations

from engines.base import SAMPLE_RATE, WINDOW_SECONDS, Window

FULL_FRAMES = int(WINDOW_SECONDS * 100)  # mel frames, 10 ms each: what Whisper was trained on
# Tighter than a margin, or under 15 s, Whisper begins to say phrases twice.
ENCODER_FRAMES = (1500, 2000, 2500, FULL_FRAMES)
MARGIN_FRAMES = 200


def encoder_frames(window: Window) -> int:
    """Mel frames to encode the window at."""
    if window.attempt.full_padding:
        return FULL_FRAMES
    return next(
        frames for frames in ENCODER_FRAMES if frames >= min(filled_frames(window) + MARGIN_FRAMES, FULL_FRAMES)
    )


def filled_frames(window: Window) -> int:
    """Mel frames the window fills; the rest is padding."""
    return min(FULL_FRAMES, len(window.samples) * 100 // SAMPLE_RATE)
