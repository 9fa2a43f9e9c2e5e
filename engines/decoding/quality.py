"""Whisper's own test of a decoding, window by window (openai/whisper, `decode_with_fallback`): a text that
repeats itself or that the model does not believe in is decoded again, first at the encoder's full length where
that had been cut short, then at the next temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.base import Attempt, WindowResult

ECHO = range(6, 41)  # tokens of a phrase that a shortened encoding may have said twice
MAX_LOOP = 16  # tokens of a phrase that is looked for
LOOP_REPEATS = 4  # times a phrase must come without a break …
LOOP_TOKENS = 20  # … and tokens all of it must have, to be a loop and not a manner of speaking


@dataclass(frozen=True, slots=True)
class Ladder:
    """Temperatures in the order they are tried, and the thresholds a decoding must hold (Whisper's defaults)."""

    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    max_compression_ratio: float = 2.4
    min_avg_logprob: float = -1.0
    max_no_speech_prob: float = 0.6

    def next_attempt(self, temperature: float, result: WindowResult) -> Attempt | None:
        """How to decode the window again, or None if the result stands or nothing is left to try. temperature: what it
        was decoded at."""
        if result.is_shortened and (not self.holds(result) or has_echo(result.tokens)):
            return Attempt(temperature, full_padding=True)
        if self.is_silence(result) or self.holds(result):
            return None
        warmer = next((step for step in self.temperatures if step > temperature), None)
        return None if warmer is None else Attempt(warmer, full_padding=True)

    def holds(self, result: WindowResult) -> bool:
        return not self._repeats(result) and result.avg_logprob >= self.min_avg_logprob

    def is_silence(self, result: WindowResult) -> bool:
        """The model hears no speech and does not believe its own text."""
        return result.no_speech_prob > self.max_no_speech_prob and result.avg_logprob < self.min_avg_logprob

    def choose(self, attempts: Sequence[WindowResult]) -> WindowResult:
        """The result to keep of all attempts at one window, the last being the newest."""
        last = attempts[-1]
        if self.is_silence(last):
            return replace(last, text="", tokens=(), words=(), word_tokens=())
        if self.holds(last):
            return last
        sober = [attempt for attempt in attempts if not self._repeats(attempt)]
        return max(sober or attempts, key=lambda attempt: attempt.avg_logprob)

    def _repeats(self, result: WindowResult) -> bool:
        return result.compression_ratio > self.max_compression_ratio or has_loop(result.tokens)


def has_loop(tokens: Sequence[int]) -> bool:
    """Whether a phrase is repeated over and over, which a window's compression ratio hides when other text is
    around it."""
    return any(_longest_run(tokens, size) >= max(LOOP_TOKENS, LOOP_REPEATS * size) for size in range(1, MAX_LOOP + 1))


def has_echo(tokens: Sequence[int]) -> bool:
    """Whether some phrase comes twice in a row: what a shortened encoding tends to. People do it too, so all it is
    worth is a second look."""
    return any(_longest_run(tokens, size) >= 2 * size for size in ECHO)


def _longest_run(tokens: Sequence[int], period: int) -> int:
    """Tokens of the longest stretch that repeats itself every `period` tokens."""
    longest = run = 0
    for at in range(period, len(tokens)):
        run = run + 1 if tokens[at] == tokens[at - period] else 0
        longest = max(longest, run)
    return longest + period if longest else 0
