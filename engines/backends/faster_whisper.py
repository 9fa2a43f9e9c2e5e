"""faster-whisper / CTranslate2: one encoder pass a window, then language, text and times on its output.

`WhisperModel.transcribe` encodes a recording's first window twice and drops the temperature ladder when it
batches; so the library's parts are used (model, tokenizer, mel features, alignment), not its loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage, get_suppressed_tokens, merge_punctuations
from numpy.typing import NDArray

from engines.backends.encoder_length import FULL_FRAMES, encoder_frames, filled_frames
from engines.base import SAMPLE_RATE, WINDOW_SECONDS, DecodeOptions, Window, WindowResult
from engines.devices.cores import available_cores
from engines.devices.ctranslate2_device import choose_compute_type, choose_device, device_error
from engines.errors import Canceled, EngineUnavailable, ModelNotFound, OutOfMemory
from engines.registry import EngineOptions
from engines.text.logprobs import spelled_bytes, token_logprob
from engines.text.segments import compression_ratio
from engines.text.words import APPENDED, PREPENDED
from engines.transcript import TokenLogprob, Word
from engines.weights.ctranslate2 import find_ctranslate2_weights

MIN_FRAMES = 10  # mel frames that words can be aligned to
MAX_TOKENS = 448  # Whisper's text context
MAX_PROMPT_TOKENS = MAX_TOKENS // 2 - 1
BEST_OF = 5  # samples drawn above temperature 0, as in openai/whisper
CPU_LANES = 8  # decode calls at once at most, each on a core of its own
GPU_BATCH = 16  # windows a pass on a GPU; not measured on one


class FasterWhisper:
    """CTranslate2 on CUDA or CPU. A CPU gains from lanes, a GPU from batch size."""

    name = "faster-whisper"

    def __init__(self, options: EngineOptions) -> None:
        self.model = options.model
        self._options = options
        self.device, self._device_index = choose_device(options.device)
        self.compute_type = choose_compute_type(self.device, self._device_index, options.compute_type)
        cores = available_cores()
        on_cpu = self.device == "cpu"
        self.lanes = options.lanes or (min(cores, CPU_LANES) if on_cpu else 1)
        self.max_batch = options.max_batch or (1 if on_cpu else GPU_BATCH)
        self.express_lanes = 1 if on_cpu else 0
        self.window_seconds = options.window_seconds or WINDOW_SECONDS
        self._threads = options.threads or max(1, cores // self.lanes)
        self._whisper: WhisperModel | None = None

    def load(self) -> None:
        directory = find_ctranslate2_weights(self.model, self._options.data_dir, offline=self._options.offline)
        try:
            self._whisper = self._open(directory)
        except (RuntimeError, ValueError) as error:  # all that CTranslate2 says of a damaged file
            if of_device := device_error(error, self.device):
                raise of_device from error
            raise ModelNotFound(
                f"The weights in '{directory}' cannot be loaded: {error}. If they are damaged, delete the directory; "
                "they are fetched again."
            ) from error
        self._tokenizer_for = lru_cache(maxsize=None)(self._make_tokenizer)
        self._suppressed = get_suppressed_tokens(self._tokenizer_for("en", "transcribe"), [-1])
        self._warm_up()

    def _warm_up(self) -> None:
        """What a GPU lacks shows at its first pass: it fails here, with the remedy, and not at the first request."""
        silence = np.zeros(SAMPLE_RATE, np.float32)
        try:
            if self.device == "cpu":
                self._encode([silence], FULL_FRAMES)
            else:
                self._decode([Window(0, silence, (), DecodeOptions(words=True))])
        except RuntimeError as error:
            raise device_error(error, self.device) or error from error

    def _open(self, directory: Path) -> WhisperModel:
        return WhisperModel(
            str(directory),
            device=self.device,
            device_index=self._device_index,
            compute_type=self.compute_type,
            cpu_threads=self._threads,
            num_workers=self.lanes + self.express_lanes,
        )

    def batch_key(self, window: Window) -> Hashable:
        """CTranslate2 takes one pass only for equal prompt lengths and temperatures; languages may differ. The padding
        changes what is heard in a window, so it must not depend on the others of its pass."""
        prompt = len(self._prompt_tokens(window.options.prompt, window.options.hotwords))
        return (prompt, window.temperature, self._encoder_frames(window))

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        try:
            return self._decode(windows)
        except RuntimeError as error:
            if isinstance(found := device_error(error, self.device), OutOfMemory):
                raise found from error
            raise

    def _decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        frames = max(self._encoder_frames(window) for window in windows)
        encoded = self._encode([window.samples for window in windows], frames)
        if all(window.is_canceled() for window in windows):  # the one place to stop at before its end
            raise Canceled()
        languages = self._languages(encoded, windows)
        generated = self._generate(encoded, windows, [code for code, _ in languages])
        results = [
            self._result(window, language, result, frames)
            for window, language, result in zip(windows, languages, generated, strict=True)
        ]
        return self._align(encoded, windows, results)

    def close(self) -> None:
        if self._whisper is not None:
            self._whisper.model.unload_model()
            self._whisper = None

    @property
    def _loaded(self) -> WhisperModel:
        if self._whisper is None:
            raise EngineUnavailable("The model is not loaded.")
        return self._whisper

    def _encoder_frames(self, window: Window) -> int:
        return FULL_FRAMES if self.device != "cpu" else encoder_frames(window)

    def _encode(self, recordings: Sequence[NDArray[np.float32]], frames: int) -> ctranslate2.StorageView:
        """Encoder output, shape (n, frames / 2, d), of windows padded with silence."""
        extract = self._loaded.feature_extractor
        samples = frames * SAMPLE_RATE // 100
        features = [extract(np.pad(own, (0, samples - len(own))), padding=0)[:, :frames] for own in recordings]
        return self._loaded.model.encode(get_ctranslate2_storage(np.stack(features)), to_cpu=False)

    def _languages(self, encoded: ctranslate2.StorageView, windows: Sequence[Window]) -> list[tuple[str, float]]:
        """Each window's language and its probability: as asked for, or heard."""
        if not self._loaded.model.is_multilingual:
            return [("en", 1.0)] * len(windows)
        if all(window.options.language for window in windows):
            return [(window.options.language or "", 1.0) for window in windows]
        heard = self._loaded.model.detect_language(encoded)
        return [_language(window.options, rows) for window, rows in zip(windows, heard, strict=True)]

    def _generate(
        self, encoded: ctranslate2.StorageView, windows: Sequence[Window], languages: Sequence[str]
    ) -> list[Any]:
        temperature = windows[0].temperature
        if temperature > 0:
            search = {
                "beam_size": 1,
                "num_hypotheses": BEST_OF,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }
        else:
            search = {"beam_size": self._options.beam_size, "patience": 1}
        results: list[Any] = self._loaded.model.generate(
            encoded,
            [self._prompt(window.options, code) for window, code in zip(windows, languages, strict=True)],
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            **search,
        )
        return results

    def _result(self, window: Window, language: tuple[str, float], result: Any, frames: int) -> WindowResult:
        tokens = tuple(result.sequences_ids[0])
        text = self._tokenizer(window.options, language[0]).decode(list(tokens))
        return WindowResult(
            text=text,
            tokens=tokens,
            language=language[0],
            language_probability=language[1],
            avg_logprob=float(result.scores[0] * len(tokens) / (len(tokens) + 1)),
            no_speech_prob=float(result.no_speech_prob),
            compression_ratio=compression_ratio(text),
            temperature=window.temperature,
            is_shortened=frames < FULL_FRAMES,
        )

    def _align(
        self, encoded: ctranslate2.StorageView, windows: Sequence[Window], results: list[WindowResult]
    ) -> list[WindowResult]:
        """Adds words if times are wanted. `align` takes one language and task a call."""
        wanted = [at for at, window in enumerate(windows) if window.options.words and results[at].text.strip()]

        def group(at: int) -> tuple[str, str]:
            return results[at].language, windows[at].options.task

        for (language, task), members in groupby(sorted(wanted, key=group), key=group):
            rows = list(members)
            part = encoded if len(rows) == len(windows) else _rows(encoded, rows)
            tokens = [list(results[at].tokens) for at in rows]
            frames = [max(MIN_FRAMES, filled_frames(windows[at])) for at in rows]
            tokenizer = self._tokenizer_for(language, task)
            aligned = self._loaded.find_alignment(tokenizer, tokens, part, frames)
            for at, words in zip(rows, aligned, strict=True):
                results[at] = _with_words(results[at], words, windows[at].seconds)
            if any(windows[at].options.logprobs for at in rows):
                for at, logprobs in zip(rows, self._logprobs(tokenizer, tokens, part, frames), strict=True):
                    results[at] = replace(results[at], logprobs=logprobs if windows[at].options.logprobs else ())
        return results

    def _logprobs(
        self, tokenizer: Tokenizer, tokens: list[list[int]], encoded: ctranslate2.StorageView, frames: list[int]
    ) -> list[tuple[TokenLogprob, ...]]:
        """Of each window's tokens. `find_alignment` has them and gives their means by words only."""
        aligned = self._loaded.model.align(encoded, tokenizer.sot_sequence, tokens, frames)
        texts = [[spelled_bytes(tokenizer.tokenizer.id_to_token(token)) for token in row] for row in tokens]
        return [
            tuple(map(token_logprob, row, result.text_token_probs[: len(row)]))
            for row, result in zip(texts, aligned, strict=True)
        ]

    def _prompt(self, options: DecodeOptions, language: str) -> list[int]:
        """Previous text, language and task, and no timestamp tokens: with them a window's tail gets lost."""
        tokenizer = self._tokenizer(options, language)
        return [
            *self._prompt_tokens(options.prompt, options.hotwords),
            *tokenizer.sot_sequence,
            tokenizer.no_timestamps,
        ]

    def _prompt_tokens(self, prompt: str | None, hotwords: str | None) -> list[int]:
        tokenizer = self._tokenizer_for("en", "transcribe")
        text: list[int] = []
        if hotwords and hotwords.strip():
            text += tokenizer.encode(" " + hotwords.strip())[:MAX_PROMPT_TOKENS]
        if prompt and prompt.strip():
            text += tokenizer.encode(" " + prompt.strip())
        return [tokenizer.sot_prev, *text[-MAX_PROMPT_TOKENS:]] if text else []

    def _tokenizer(self, options: DecodeOptions, language: str) -> Tokenizer:
        return self._tokenizer_for(language, options.task)

    def _make_tokenizer(self, language: str, task: str) -> Tokenizer:
        whisper = self._loaded
        return Tokenizer(whisper.hf_tokenizer, whisper.model.is_multilingual, task=task, language=language)


def _language(options: DecodeOptions, heard: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """The likeliest of all languages, or of the candidates the caller named. Tokens look like `<|en|>`."""
    if options.language:
        return options.language, 1.0
    found = [(token[2:-2], float(probability)) for token, probability in heard]
    candidates = [row for row in found if row[0] in options.languages] or found
    return max(candidates, key=lambda row: row[1])


def _rows(encoded: ctranslate2.StorageView, rows: Sequence[int]) -> ctranslate2.StorageView:
    on_cpu = encoded.to_device(ctranslate2.Device.cpu) if encoded.device != "cpu" else encoded
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.array(on_cpu)[list(rows)]))


def _with_words(result: WindowResult, aligned: list[dict[str, Any]], seconds: float) -> WindowResult:
    merge_punctuations(aligned, PREPENDED, APPENDED)
    kept = [row for row in aligned if row["word"]]
    words = tuple(
        Word(row["word"], min(float(row["start"]), seconds), min(float(row["end"]), seconds), float(row["probability"]))
        for row in kept
    )
    return replace(result, words=words, word_tokens=tuple(tuple(row["tokens"]) for row in kept))
