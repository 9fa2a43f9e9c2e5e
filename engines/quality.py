"""Whisper's own test of a decoding, window by window (openai/whisper, `decode_with_fallback`): a text that
repeats itself or that the model does not believe in is decoded again at the next temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.base import WindowResult


@dataclass(frozen=True, slots=True)
class Ladder:
    """Temperatures in the order they are tried, and the thresholds a decoding must hold (Whisper's defaults)."""

    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    max_compression_ratio: float = 2.4
    min_avg_logprob: float = -1.0
    max_no_speech_prob: float = 0.6

    def next_temperature(self, result: WindowResult) -> float | None:
        """The temperature to decode the window at again, or None where the result stands."""
        if self.is_silence(result) or self.holds(result):
            return None
        return next((step for step in self.temperatures if step > result.temperature), None)

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
        return result.compression_ratio > self.max_compression_ratio
