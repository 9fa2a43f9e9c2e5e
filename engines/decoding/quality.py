"""Whisper's own test of a decoding, window by window (openai/whisper, `decode_with_fallback`): a text that
repeats itself or that the model does not believe in is decoded again, first at the encoder's full length if
that had been cut short, then at the next temperature. People repeat themselves too: see `repetition`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.base import Attempt, WindowResult
from engines.decoding.repetition import has_echo, has_loop, novel_logprob, runs_away


@dataclass(frozen=True, slots=True)
class Ladder:
    """Temperatures in the order they are tried, and the thresholds a decoding must hold (Whisper's defaults)."""

    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    max_compression_ratio: float = 2.4
    min_avg_logprob: float = -1.0
    max_no_speech_prob: float = 0.6

    def next_attempt(self, temperature: float, attempts: Sequence[WindowResult], seconds: float) -> Attempt | None:
        """How to decode the window again, or None if its last result stands or nothing is left to try. temperature:
        what that was decoded at. attempts: all its results, the last being the newest. seconds: how long the window is.

        A text that repeats itself skips every other step: each such attempt may take the model to its limit of tokens.
        If it may have been said so, a single warmer attempt shows whether there is another text.
        """
        last = attempts[-1]
        holds = self.holds(last, seconds)
        if last.is_shortened and (not holds or self._repeats(last) or has_echo(last.tokens)):
            return Attempt(temperature, full_padding=True)
        if holds or self.is_silence(last) or (temperature > 0 and self._any_may_be_said(attempts, seconds)):
            return None
        warmer = [step for step in self.temperatures if step > temperature]
        if self._repeats(last):
            warmer = warmer[1:] or warmer
        return Attempt(warmer[0], full_padding=True) if warmer else None

    def holds(self, result: WindowResult, seconds: float) -> bool:
        return self._belief(result) >= self.min_avg_logprob and not self._runs_away(result, seconds)

    def is_silence(self, result: WindowResult) -> bool:
        """The model hears no speech and does not believe its own text."""
        return result.no_speech_prob > self.max_no_speech_prob and result.avg_logprob < self.min_avg_logprob

    def choose(self, attempts: Sequence[WindowResult], seconds: float) -> WindowResult:
        """The result to keep of all attempts at one window, the last being the newest."""
        last = attempts[-1]
        if self.is_silence(last) and not self._any_may_be_said(attempts, seconds):
            return replace(last, text="", tokens=(), words=(), word_tokens=(), logprobs=())
        if self.holds(last, seconds):
            return last
        sober = [attempt for attempt in attempts if not self._runs_away(attempt, seconds)]
        return max(sober or attempts, key=self._belief)

    def _any_may_be_said(self, attempts: Sequence[WindowResult], seconds: float) -> bool:
        """Whether the model, having heard all of the window, believes in some text as a whole, though little in it is
        new: a count, a cheer."""
        whole = [attempt for attempt in attempts if not attempt.is_shortened and not self._runs_away(attempt, seconds)]
        return any(attempt.avg_logprob >= self.min_avg_logprob for attempt in whole)

    def _belief(self, result: WindowResult) -> float:
        return novel_logprob(result) if self._repeats(result) else result.avg_logprob

    def _runs_away(self, result: WindowResult, seconds: float) -> bool:
        """What repeats itself is judged by how fast one would have to speak, and not by how well it compresses: people
        say the same sentences again, too."""
        return self._repeats(result) and runs_away(result, seconds)

    def _repeats(self, result: WindowResult) -> bool:
        return result.compression_ratio > self.max_compression_ratio or has_loop(result.tokens)
