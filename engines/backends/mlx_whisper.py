"""mlx-whisper on a Mac's GPU (Metal), or slowly on a CPU. Several windows share a pass, which is the idea of
lightning-whisper-mlx, with Whisper's temperature ladder and word times kept.

MLX wants loading, decoding and closing on one thread: what one thread has left uncomputed no other can compute, and
if a thread ends with streams open, the process dies at its end. Nor can a thread that closed its streams have new
ones. So each loading has a thread of its own, whoever calls.
"""

from __future__ import annotations

import gc
import json
import secrets
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from mlx_whisper.audio import log_mel_spectrogram
from mlx_whisper.decoding import DecodingOptions, DecodingTask, GreedyDecoder
from mlx_whisper.load_models import load_model
from mlx_whisper.timing import dtw_cpu
from mlx_whisper.tokenizer import get_tokenizer
from mlx_whisper.whisper import Whisper

from engines.backends.alignment import Floats, Path
from engines.backends.openai_family import BEST_OF, Audio, Heard, Interrupter, ReferenceEngine
from engines.backends.single_thread import SingleThread
from engines.base import SAMPLE_RATE, WINDOW_SECONDS, Window, WindowResult
from engines.errors import EngineUnavailable, ModelNotFound
from engines.registry import EngineOptions
from engines.weights.other_formats import find_mlx_weights

GPU_BATCH = 8  # windows a pass on a Mac's GPU; not measured on one
LIGHTNING_BATCH = 12  # windows a pass: lightning-whisper-mlx's own default
COMPUTE_TYPES = {"float16": mx.float16, "bfloat16": mx.bfloat16, "float32": mx.float32}


class MLXWhisper(ReferenceEngine):
    """Greedy at temperature 0: the library has no beam search."""

    name = "mlx-whisper"
    _thread: SingleThread | None = None

    def __init__(self, options: EngineOptions) -> None:
        self.model = options.model
        self._options = options
        self.device, self._mlx_device = _device(options.device)
        self._dtype = COMPUTE_TYPES[_compute_type(self.device, options.compute_type)]
        self.max_batch = options.max_batch or (1 if self.device == "cpu" else GPU_BATCH)
        self.window_seconds = options.window_seconds or WINDOW_SECONDS

    @property
    def _model_name(self) -> str:
        return self.model

    def load(self) -> None:
        directory = find_mlx_weights(self._options)
        self._thread = SingleThread("mlx")
        try:
            self._thread.call(lambda: self._load(directory))
        except BaseException:
            self.close()
            raise

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        if self._thread is None:
            raise EngineUnavailable("The model is not loaded.")
        return self._thread.call(lambda: self._decoded(windows))

    def close(self) -> None:
        if self._thread is not None:
            self._thread.call(self._release)
            self._thread.end()
            self._thread = None

    def _load(self, directory: FilePath) -> None:
        mx.set_default_device(self._mlx_device)
        mx.random.seed(secrets.randbits(32))  # what was left of another thread's random numbers cannot be used here
        model = _opened(directory, self._dtype)
        self._heads = model.alignment_heads.tolist()
        self._ready(model)

    def _release(self) -> None:
        self._model = None
        gc.collect()
        mx.clear_cache()
        mx.synchronize()
        mx.clear_streams()

    def _encoded(self, recordings: Sequence[Audio], frames: int, interrupter: Interrupter) -> mx.array:
        """The encoder's own steps, at a length of our choice."""
        encoder = self._model.encoder
        samples = frames * SAMPLE_RATE // 100
        padded = [mx.array(np.pad(own, (0, samples - len(own)))) for own in recordings]
        mel = mx.stack([log_mel_spectrogram(own, self._model.dims.n_mels) for own in padded])
        x = nn.gelu(encoder.conv1(mel.astype(self._dtype)))
        x = nn.gelu(encoder.conv2(x))
        x = x + encoder._positional_embedding[: x.shape[1]]
        for block in encoder.blocks:
            interrupter.check()
            x, _, _ = block(x)
            mx.eval(x)  # or nothing is computed yet when the next check comes
        return encoder.ln_post(x)

    def _first_logits(self, encoded: mx.array, token: int) -> Floats:
        logits = self._model.logits(mx.full((len(encoded), 1), token), encoded)
        return np.array(logits[:, 0].astype(mx.float32))

    def _sampled(
        self, encoded: mx.array, prompts: Sequence[Sequence[int]], temperature: float, interrupter: Interrupter
    ) -> list[Heard]:
        task = _Task(
            self._model,
            DecodingOptions(
                language="en",
                temperature=temperature,
                best_of=None if temperature == 0 else BEST_OF,
                without_timestamps=True,
            ),
            prompts,
        )
        task.logit_filters.append(interrupter)
        return [Heard(tuple(row.tokens), row.avg_logprob, row.no_speech_prob) for row in task.run(encoded)]

    def _attention(self, encoded: mx.array, at: int, tokens: Sequence[int]) -> tuple[Floats, Floats]:
        logits, _, layers = self._model.decoder(mx.array([tokens]), encoded[at : at + 1])
        attention = mx.stack([layers[layer][0, head] for layer, head in self._heads])
        return np.array(attention.astype(mx.float32)), np.array(logits[0].astype(mx.float32))

    def _make_tokenizer(self, language: str, task: str) -> Any:
        return get_tokenizer(
            self._model.is_multilingual, num_languages=self._model.num_languages, language=language, task=task
        )

    @property
    def _cheapest_path(self) -> Path:
        return dtw_cpu  # type: ignore[no-any-return]


class LightningWhisperMLX(MLXWhisper):
    """mlx-whisper under the name of lightning-whisper-mlx: the same engine, with its larger passes on any device."""

    name = "lightning-whisper-mlx"

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(options)
        self.max_batch = options.max_batch or LIGHTNING_BATCH


class _Task(DecodingTask):  # type: ignore[misc]
    """A decoding of audio that is encoded already, with a prompt of its own for each recording."""

    def __init__(self, model: Whisper, options: DecodingOptions, prompts: Sequence[Sequence[int]]) -> None:
        self._prompts = prompts
        super().__init__(model, options)
        if options.temperature > 0:
            self.decoder = _Sampler(options.temperature, self.tokenizer.eot)

    def _get_initial_tokens(self) -> tuple[int, ...]:
        return tuple(self._prompts[0])

    def _get_audio_features(self, mel: mx.array) -> mx.array:
        """The library leaves out to repeat them for the samples of each recording, which works for one alone."""
        return mx.repeat(mel, self.n_group, axis=0) if len(mel) > 1 else mel

    def _detect_language(self, audio_features: mx.array, tokens: mx.array) -> tuple[list[str], None]:
        tokens[:] = mx.array(self._prompts)
        return ["en"] * len(tokens), None


class _Sampler(GreedyDecoder):  # type: ignore[misc]
    """Draws anew for every token. The library's own compiles its drawing together with the random numbers of the first
    time, so that every token is drawn with the same ones, and the same words come over and over."""

    def update(self, tokens: mx.array, logits: mx.array, sum_logprobs: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        drawn = mx.random.categorical(logits / self.temperature)
        log_probabilities = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        has_ended = tokens[:, -1] == self.eot
        own = mx.take_along_axis(log_probabilities, drawn[:, None], axis=-1)[:, 0]
        sum_logprobs = sum_logprobs + own * (1 - has_ended)
        following = mx.where(has_ended, self.eot, drawn)
        tokens = mx.concatenate([tokens, following[:, None]], axis=-1)
        return tokens, mx.all(tokens[:, -1] == self.eot), sum_logprobs


def _opened(directory: FilePath, dtype: mx.Dtype) -> Whisper:
    try:
        model = load_model(str(directory), dtype)
        _check(model, directory)
        model.set_dtype(dtype)
        mx.eval(model.parameters(), model.encoder._positional_embedding, model.decoder._mask)
    except (RuntimeError, ValueError, KeyError, TypeError, OSError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelNotFound(
            f"The directory '{directory}' holds no whole model for mlx-whisper: {reason}. If it was downloaded, delete "
            "it and fetch it again; weights for other engines (CTranslate2, ggml, .pt) cannot be used."
        ) from error
    return model


def _check(model: Whisper, directory: FilePath) -> None:
    """The library leaves random numbers if the file has no array, and takes arrays of any shape."""
    size = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    fresh = Whisper(model.dims, mx.float32)
    if "quantization" in size:
        return  # its arrays have other shapes
    wanted = {name: array.shape for name, array in tree_flatten(fresh.parameters())}
    found = {name: array.shape for name, array in tree_flatten(model.parameters())}
    odd = [name for name, shape in wanted.items() if name != "alignment_heads" and found.get(name) != shape]
    if odd:
        raise ValueError(f"'{odd[0]}' has another shape than its config.json says")


def _device(device: str) -> tuple[str, Any]:
    name = {"mps": "metal"}.get(device.strip().lower(), device.strip().lower())
    has_metal = mx.metal.is_available()
    if name == "auto":
        name = "metal" if has_metal else "cpu"
    if name not in ("cpu", "metal"):
        raise EngineUnavailable(
            f"mlx-whisper cannot run on the device '{device}'. It knows auto, cpu and metal (a Mac's GPU).",
            reason="not_a_device_of_mlx",
        )
    if name == "metal" and not has_metal:
        raise EngineUnavailable("There is no Apple GPU here.", reason="no_apple_gpu")
    return name, mx.gpu if name == "metal" else mx.cpu


def _compute_type(device: str, compute_type: str) -> str:
    if compute_type in ("auto", "default"):
        return "float16" if device == "metal" else "float32"
    if compute_type not in COMPUTE_TYPES:
        raise EngineUnavailable(f"mlx-whisper cannot compute in '{compute_type}'. It can: {', '.join(COMPUTE_TYPES)}.")
    return compute_type
