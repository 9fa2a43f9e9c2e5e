"""When each token was said, from the decoder's attention to the encoded audio (openai/whisper, `find_alignment`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engines.text.words import TimedToken

FRAME_SECONDS = 0.02  # what one frame of the encoder's output covers
_FILTER_WIDTH = 7  # frames

Floats = NDArray[np.float32]
# The cheapest way through a matrix of costs, as the rows and the columns it goes by.
Path = Callable[[NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.int64]]]


def timed_tokens(
    tokens: Sequence[int],
    texts: Sequence[bytes],
    probabilities: Sequence[float],
    attention: Floats,
    seconds: float,
    cheapest_path: Path,
) -> list[TimedToken]:
    """attention: before the softmax, shape (heads, len(tokens) + 1, frames): a row for each token, and one for the end
    of the text. seconds: how long the window is; the rest of the frames is padding."""
    frames = max(1, min(attention.shape[-1], round(seconds / FRAME_SECONDS)))
    rows, columns = cheapest_path(-_sharpened(attention[:, :, :frames]).astype(np.float64))
    first = np.flatnonzero(np.diff(rows, prepend=-1))  # where the path comes to a new token
    edges = np.minimum(columns[first] * FRAME_SECONDS, seconds).tolist()
    return [
        TimedToken(token, text, start, end, float(probability))
        for token, text, probability, start, end in zip(
            tokens, texts, probabilities, edges[:-1], edges[1:], strict=True
        )
    ]


def _sharpened(attention: Floats) -> Floats:
    """The heads' mean, each made comparable with the others over the tokens, and smoothed over time."""
    weights = np.exp(attention - attention.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    spread = weights.std(axis=-2, keepdims=True)
    weights = (weights - weights.mean(axis=-2, keepdims=True)) / np.where(spread == 0, 1, spread)
    return np.asarray(np.mean([_smoothed(head) for head in weights], axis=0), np.float32)


def _smoothed(head: Floats) -> Floats:
    """The median of each frame and its neighbours."""
    reach = _FILTER_WIDTH // 2
    if head.shape[-1] <= reach:
        return head
    padded = np.pad(head, ((0, 0), (reach, reach)), mode="reflect")
    return np.asarray(np.sort(sliding_window_view(padded, _FILTER_WIDTH, axis=-1), axis=-1)[..., reach], np.float32)
