"""What the engines built from openai/whisper's own parts share: openai-whisper itself, and mlx-whisper, a port of it
with the same parts under the same names. Their `transcribe` loop is not used: it knows no batches and cannot stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.alignment import Floats, Path, timed_tokens
from engines.backends.encoder_length import FULL_FRAMES, encoder_frames
from engines.base import SAMPLE_RATE, DecodeOptions, Window, WindowResult
from engines.errors import Canceled, EngineUnavailable, UnsupportedOption
from engines.text.logprobs import logprobs_of
from engines.text.segments import compression_ratio
from engines.text.words import words_of

BEST_OF = 5  # samples drawn above temperature 0, as in openai/whisper
MAX_PROMPT_TOKENS = 448 // 2 - 1

Audio = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one window's decoding gave."""

    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float


class Interrupter:
    """Among the filters of a decoding, which are called for every token: ends it once nobody wants its result."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows

    def apply(self, logits: Any, tokens: Any) -> Any:
        self.check()
        return logits

    def check(self) -> None:
        if all(window.is_canceled() for window in self._windows):
            raise Canceled()


class ReferenceEngine(ABC):
    """An engine of one lane: the libraries keep a decoding's state in the model itself."""

    lanes = 1
    express_lanes = 0
    device: str
    max_batch: int
    window_seconds: float
    _model: Any = None

    @abstractmethod
    def _encoded(self, recordings: Sequence[Audio], frames: int, interrupter: Interrupter) -> Any:
        """Encoder output, shape (n, frames / 2, d), of recordings padded to `frames` (10 ms each)."""

    @abstractmethod
    def _first_logits(self, encoded: Any, token: int) -> Floats:
        """What the decoder makes of this one token, for each recording: shape (n, vocabulary)."""

    @abstractmethod
    def _sampled(
        self, encoded: Any, prompts: Sequence[Sequence[int]], temperature: float, interrupter: Interrupter
    ) -> list[Heard]:
        """Decodes each recording after its prompt; the prompts are of one length."""

    @abstractmethod
    def _attention(self, encoded: Any, at: int, tokens: Sequence[int]) -> tuple[Floats, Floats]:
        """The decoder's attention of the heads that follow the speech, shape (heads, tokens, frames), and its logits,
        shape (tokens, vocabulary), for recording number `at`."""

    @abstractmethod
    def _make_tokenizer(self, language: str, task: str) -> Any: ...

    @property
    @abstractmethod
    def _cheapest_path(self) -> Path: ...

    def batch_key(self, window: Window) -> Hashable:
        """Prompts of one length; languages, tasks and the prompts themselves may differ."""
        return (len(self._prompt_tokens(window.options)), window.temperature)

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        return self._decoded(windows)

    def _decoded(self, windows: Sequence[Window]) -> list[WindowResult]:
        if self._model is None:
            raise EngineUnavailable("The model is not loaded.")
        interrupter = Interrupter(windows)
        frames = max(self._encoder_frames(window) for window in windows)
        encoded = self._encoded([window.samples for window in windows], frames, interrupter)
        languages = self._languages(encoded, windows)
        prompts = [self._prompt(window.options, code) for window, (code, _) in zip(windows, languages, strict=True)]
        heard = self._sampled(encoded, prompts, windows[0].temperature, interrupter)
        results = [self._result(*row, frames) for row in zip(windows, languages, heard, strict=True)]
        return [
            self._with_words(encoded, at, window, result)
            for at, (window, result) in enumerate(zip(windows, results, strict=True))
        ]

    def _ready(self, model: Any) -> None:
        """Takes the model and warms it up: an alignment too, which is compiled at its first use."""
        self._model = model
        self._tokenizer_for = lru_cache(maxsize=None)(self._make_tokenizer)
        options = DecodeOptions(language="en", words=True)
        silence = Window(0, np.zeros(SAMPLE_RATE, np.float32), (), options)
        (result,) = self._decoded([silence])
        if not result.words:
            self._with_words(self._encoded([silence.samples], 1500, Interrupter([silence])), 0, silence, _PLACEHOLDER)

    def _encoder_frames(self, window: Window) -> int:
        return FULL_FRAMES if self.device != "cpu" else encoder_frames(window)

    def _languages(self, encoded: Any, windows: Sequence[Window]) -> list[tuple[str, float]]:
        if not self._model.is_multilingual:
            return [("en", 1.0)] * len(windows)
        if all(window.options.language for window in windows):
            return [(window.options.language or "", 1.0) for window in windows]
        tokenizer = self._tokenizer_for("en", "transcribe")
        logits = self._first_logits(encoded, tokenizer.sot)[:, list(tokenizer.all_language_tokens)]
        return [_language(window.options, tokenizer, row) for window, row in zip(windows, logits, strict=True)]

    def _prompt(self, options: DecodeOptions, language: str) -> list[int]:
        """Previous text, language and task, and no timestamp tokens: with them a window's tail gets lost."""
        try:
            tokenizer = self._tokenizer_for(language, options.task)
        except (KeyError, ValueError):
            raise UnsupportedOption(f"The model {self._model_name} does not know the language '{language}'.") from None
        return [*self._prompt_tokens(options), *tokenizer.sot_sequence_including_notimestamps]

    @property
    @abstractmethod
    def _model_name(self) -> str: ...

    def _prompt_tokens(self, options: DecodeOptions) -> list[int]:
        tokenizer = self._tokenizer_for("en", "transcribe")
        text: list[int] = []
        if options.hotwords and options.hotwords.strip():
            text += tokenizer.encode(" " + options.hotwords.strip())[:MAX_PROMPT_TOKENS]
        if options.prompt and options.prompt.strip():
            text += tokenizer.encode(" " + options.prompt.strip())
        return [tokenizer.sot_prev, *text[-MAX_PROMPT_TOKENS:]] if text else []

    def _result(self, window: Window, language: tuple[str, float], heard: Heard, frames: int) -> WindowResult:
        tokenizer = self._tokenizer_for("en", "transcribe")
        tokens = tuple(token for token in heard.tokens if token < tokenizer.eot)  # the others are no text
        text = tokenizer.decode(list(tokens))
        return WindowResult(
            text=text,
            tokens=tokens,
            language=language[0],
            language_probability=language[1],
            avg_logprob=heard.avg_logprob,
            no_speech_prob=heard.no_speech_prob,
            compression_ratio=compression_ratio(text),
            temperature=window.temperature,
            is_shortened=frames < FULL_FRAMES,
        )

    def _with_words(self, encoded: Any, at: int, window: Window, result: WindowResult) -> WindowResult:
        if not window.options.words or not result.text.strip():
            return result
        tokenizer = self._tokenizer_for(result.language, window.options.task)
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        attention, logits = self._attention(encoded, at, [*start, *result.tokens, tokenizer.eot])
        before = len(start) - 1  # a token is chosen, and the attention for it paid, at the place before its own
        timed = timed_tokens(
            result.tokens,
            [tokenizer.encoding.decode_single_token_bytes(token) for token in result.tokens],
            list(_probabilities(logits[before:, : tokenizer.eot], result.tokens)),
            attention[:, before:-1],
            window.seconds,
            self._cheapest_path,
        )
        words, word_tokens = words_of(timed, result.language)
        logprobs = logprobs_of(timed) if window.options.logprobs else ()
        return replace(result, words=words, word_tokens=word_tokens, logprobs=logprobs)


_PLACEHOLDER = WindowResult(
    text=" you",
    tokens=(291,),
    language="en",
    language_probability=1.0,
    avg_logprob=0.0,
    no_speech_prob=0.0,
    compression_ratio=1.0,
    temperature=0.0,
)


def _language(options: DecodeOptions, tokenizer: Any, logits: Floats) -> tuple[str, float]:
    """The likeliest of all languages, or of the candidates the caller named."""
    if options.language:
        return options.language, 1.0
    probabilities = _softmax(logits)
    heard = dict(zip(tokenizer.all_language_codes, probabilities.tolist(), strict=True))
    candidates = {code: heard[code] for code in options.languages if code in heard} or heard
    return max(candidates.items(), key=lambda row: row[1])


def _probabilities(logits: Floats, tokens: Sequence[int]) -> Iterator[float]:
    for row, token in zip(logits, tokens, strict=False):
        yield float(_softmax(row)[token])


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), np.float32)
