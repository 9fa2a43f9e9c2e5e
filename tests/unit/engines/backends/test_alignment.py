"""Tokens get their times from where the decoder attends to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.backends.alignment import FRAME_SECONDS, timed_tokens


def cheapest_path(costs: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The plain way to do what the libraries have compiled."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            before = min(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
            total[row, column] = costs[row - 1, column - 1] + before
    path = [(rows, columns)]
    while path[-1] != (1, 1):
        row, column = path[-1]
        path.append(min(((row - 1, column - 1), (row - 1, column), (row, column - 1)), key=lambda at: total[at]))
    found: NDArray[np.int64] = np.array(path[::-1], np.int64) - 1
    return found[:, 0], found[:, 1]


def attention(starts: list[int], frames: int, heads: int = 2) -> NDArray[np.float32]:
    """Each token is attended to from its start on to the next one's."""
    rows = np.zeros((heads, len(starts), frames), np.float32)
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], frames], strict=True)):
        rows[:, number, start:end] = 5.0
    return rows


def test_tokens_begin_where_they_are_attended_to() -> None:
    timed = timed_tokens([7, 8], [b" a", b" b"], [0.9, 0.8], attention([0, 20, 50], 100), 2.0, cheapest_path)
    assert [(token.id, token.text, token.probability) for token in timed] == [(7, b" a", 0.9), (8, b" b", 0.8)]
    assert timed[0].start == 0
    assert timed[0].end == timed[1].start == pytest.approx(20 * FRAME_SECONDS, abs=0.05)
    assert timed[1].end == pytest.approx(50 * FRAME_SECONDS, abs=0.05)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05, 0.5])
def test_no_time_is_past_the_windows_end(seconds: float) -> None:
    timed = timed_tokens([7, 8], [b" a", b" b"], [0.9, 0.8], attention([0, 20, 50], 100), seconds, cheapest_path)
    assert [token.start for token in timed] == sorted(token.start for token in timed)
    assert all(token.end <= seconds for token in timed)
