"""whisper.cpp through pywhispercpp: Metal, CUDA or Vulkan where it was built with them, a CPU everywhere.

Its bindings are called below `pywhispercpp.model`, whose parameters stick from call to call and whose result of an
empty recording is the one before it. A model file is checked before it is opened: a damaged one would kill the process.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import _pywhispercpp as cpp
import numpy as np
from numpy.typing import NDArray

from engines.backends.encoder_length import FULL_FRAMES, encoder_frames
from engines.backends.whisper_cpp_context import alignment_heads, chosen_device, open_context
from engines.base import SAMPLE_RATE, WINDOW_SECONDS, DecodeOptions, Window, WindowResult
from engines.devices.cores import available_cores
from engines.errors import Canceled, EngineUnavailable
from engines.registry import EngineOptions
from engines.text.logprobs import logprobs_of
from engines.text.segments import compression_ratio
from engines.text.words import TimedToken, text_of, words_of
from engines.weights.ggml import GgmlHeader, read_ggml
from engines.weights.other_formats import find_ggml_weights

MAX_THREADS = 8
BEST_OF = 5  # samples drawn above temperature 0, as in openai/whisper
# Samples. Less than 0.1 s is not decoded at all, and the alignment of less than 0.15 s ends the process.
MIN_SAMPLES = SAMPLE_RATE
ALIGNMENT_MEMORY = 512 << 20  # bytes the alignment may take; set aside, not used, until then


class WhisperCpp:
    """One context, and so one set of weights in memory, for each lane: two threads on one end the process."""

    name = "whisper-cpp"
    express_lanes = 0

    def __init__(self, options: EngineOptions) -> None:
        self.model = options.model
        self._options = options
        self.device, self._device_index = chosen_device(options.device)
        if options.compute_type not in ("auto", "default"):
            raise EngineUnavailable(
                f"whisper-cpp computes in the format of its model file, so '{options.compute_type}' cannot be had.",
                reason="format_of_the_file",
            )
        self.lanes = options.lanes or 1
        self.window_seconds = options.window_seconds or WINDOW_SECONDS
        self.max_batch = 1  # it decodes one window at a time; with more, others would only wait longer
        self._threads = options.threads or max(1, min(available_cores(), MAX_THREADS) // self.lanes)
        self._contexts: list[Any] = []
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def load(self) -> None:
        path = find_ggml_weights(self._options)
        header = read_ggml(path)
        for _ in range(self.lanes):
            context = open_context(str(path), self._context_parameters(header))
            self._contexts.append(context)
            self._idle.put(context)
        self._is_multilingual = bool(cpp.whisper_is_multilingual(self._contexts[0]))
        silence = Window(0, np.zeros(SAMPLE_RATE, np.float32), (), DecodeOptions(language="en"))
        for context in self._contexts:
            self._decode(context, silence, silence.is_canceled)  # warm-up

    def batch_key(self, window: Window) -> Hashable:
        return None

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        def unwanted() -> bool:
            return all(window.is_canceled() for window in windows)

        with self._context() as context:
            return [self._decode(context, window, unwanted) for window in windows]

    def close(self) -> None:
        """Called when no pass is in hand."""
        while self._contexts:
            cpp.whisper_free(self._contexts.pop())
        self._idle = queue.SimpleQueue()

    @contextmanager
    def _context(self) -> Iterator[Any]:
        if not self._contexts:
            raise EngineUnavailable("The model is not loaded.")
        context = self._idle.get()
        try:
            yield context
        finally:
            self._idle.put(context)

    def _context_parameters(self, header: GgmlHeader) -> Any:
        parameters = cpp.whisper_context_default_params()
        parameters.use_gpu = self.device != "cpu"
        parameters.gpu_device = self._device_index
        parameters.flash_attn = False  # it leaves no attention to align words by
        parameters.dtw_token_timestamps = True
        parameters.dtw_aheads_preset = alignment_heads(header)
        parameters.dtw_n_top = 1  # the last layer's heads, for models that no preset fits
        parameters.dtw_mem_size = ALIGNMENT_MEMORY
        return parameters

    def _decode(self, context: Any, window: Window, unwanted: Callable[[], bool]) -> WindowResult:
        samples = np.ascontiguousarray(window.samples, np.float32)  # others would be read as raw memory
        samples = np.pad(samples, (0, max(0, MIN_SAMPLES - len(samples))))
        frames = FULL_FRAMES if self.device != "cpu" else encoder_frames(window)
        language, probability = self._language(context, samples, window.options, frames)
        options = replace(window.options, language=language, temperature=window.temperature)
        self._transcribe(context, samples, options, frames, unwanted)
        return _result(context, options, probability, window.seconds, frames)

    def _language(
        self, context: Any, samples: NDArray[np.float32], options: DecodeOptions, frames: int
    ) -> tuple[str, float]:
        if not self._is_multilingual:
            return "en", 1.0
        if options.language:
            return options.language, 1.0
        self._set_encoder_length(context, frames)
        cpp.whisper_pcm_to_mel(context, samples, len(samples), self._threads)
        probabilities = np.zeros(cpp.whisper_lang_max_id() + 1, np.float32)
        if cpp.whisper_lang_auto_detect(context, 0, self._threads, probabilities) < 0:
            raise RuntimeError("whisper.cpp could not tell the language")
        heard = {cpp.whisper_lang_str(at): float(probability) for at, probability in enumerate(probabilities)}
        candidates = {code: heard[code] for code in options.languages if code in heard} or heard
        return max(candidates.items(), key=lambda row: row[1])

    def _set_encoder_length(self, context: Any, frames: int) -> None:
        """The search for the language takes the length of the last decoding: this one stops before it begins."""
        parameters = self._parameters(DecodeOptions(language="en"), frames)
        cpp.assign_encoder_begin_callback(parameters, lambda context: False)
        cpp.whisper_full(context, parameters, np.zeros(MIN_SAMPLES, np.float32), MIN_SAMPLES)

    def _transcribe(
        self,
        context: Any,
        samples: NDArray[np.float32],
        options: DecodeOptions,
        frames: int,
        unwanted: Callable[[], bool],
    ) -> None:
        parameters = self._parameters(options, frames)
        cpp.assign_abort_callback(parameters, unwanted)
        status = cpp.whisper_full(context, parameters, samples, len(samples))
        if unwanted():
            raise Canceled()
        if status != 0:
            raise RuntimeError(f"whisper.cpp could not decode the window (status {status})")

    def _parameters(self, options: DecodeOptions, frames: int) -> Any:
        """New ones for every pass, so that nothing sticks. The temperature ladder is ours, not whisper.cpp's. Never its
        beam search: that draws its candidates by chance, and a window decoded again is to give the same text."""
        parameters = cpp.whisper_full_default_params(cpp.whisper_sampling_strategy.WHISPER_SAMPLING_GREEDY)
        parameters.greedy = {"best_of": 1 if options.temperature == 0 else BEST_OF}
        parameters.temperature = options.temperature
        parameters.temperature_inc = 0.0
        parameters.n_threads = self._threads
        parameters.audio_ctx = 0 if frames == FULL_FRAMES else frames // 2
        parameters.language = options.language or "en"
        parameters.translate = options.task == "translate" and self._is_multilingual
        parameters.initial_prompt = _prompt(options)
        parameters.no_timestamps = True  # with them a window's tail gets lost
        parameters.single_segment = True
        parameters.no_context = True
        parameters.suppress_nst = True
        parameters.print_progress = False
        return parameters


def _result(context: Any, options: DecodeOptions, probability: float, seconds: float, frames: int) -> WindowResult:
    tokens, log_probability = _tokens(context, min(seconds, WINDOW_SECONDS))
    text = text_of(tokens)
    words, word_tokens = words_of(tokens, options.language or "en") if options.words else ((), ())
    return WindowResult(
        text=text,
        tokens=tuple(token.id for token in tokens),
        language=options.language or "en",
        language_probability=probability,
        avg_logprob=log_probability,
        no_speech_prob=0.0 if tokens else 1.0,  # all that whisper.cpp tells: it keeps quiet if it hears nobody
        compression_ratio=compression_ratio(text),
        temperature=options.temperature,
        words=words,
        word_tokens=word_tokens,
        logprobs=logprobs_of(tokens) if words and options.logprobs else (),
        is_shortened=frames < FULL_FRAMES,
    )


def _tokens(context: Any, seconds: float) -> tuple[list[TimedToken], float]:
    """What was decoded, without special tokens, and its mean log probability. A token's time (10 ms) is where it ends,
    which is where the next begins."""
    end_of_text = cpp.whisper_token_eot(context)
    tokens: list[TimedToken] = []
    total, count, before = 0.0, 0, 0.0
    for segment in range(cpp.whisper_full_n_segments(context)):
        for at in range(cpp.whisper_full_n_tokens(context, segment)):
            data = cpp.whisper_full_get_token_data(context, segment, at)
            total, count = total + data.plog, count + 1
            if data.id < end_of_text:
                end = max(before, min(data.t_dtw / 100, seconds))
                text = cpp.whisper_token_to_bytes(context, data.id)
                tokens.append(TimedToken(data.id, text, before, end, float(data.p)))
                before = end
    return tokens, total / count if count else 0.0


def _prompt(options: DecodeOptions) -> str:
    """It knows no hotwords; in front of the prompt they do the same."""
    parts = [part.strip() for part in (options.hotwords, options.prompt) if part and part.strip()]
    return "".join(f" {part}" for part in parts)
