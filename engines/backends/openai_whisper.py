"""openai-whisper on PyTorch: CUDA, a Mac's GPU (MPS), or a CPU."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from torch.nn.functional import gelu
from whisper import _ALIGNMENT_HEADS
from whisper.audio import log_mel_spectrogram
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import ModelDimensions, Whisper, disable_sdpa
from whisper.timing import dtw_cpu
from whisper.tokenizer import get_tokenizer

from engines.backends.alignment import Floats, Path
from engines.backends.openai_family import BEST_OF, Audio, Heard, Interrupter, ReferenceEngine
from engines.base import SAMPLE_RATE, WINDOW_SECONDS, Window, WindowResult
from engines.devices.cores import available_cores
from engines.errors import EngineUnavailable, ModelNotFound, OutOfMemory
from engines.registry import EngineOptions
from engines.weights.other_formats import find_pytorch_weights

GPU_BATCH = 16  # windows a pass on a GPU; not measured on one
VOCABULARY_OF_ENGLISH, VOCABULARY_OF_V3 = 51864, 51866  # tokens; the other models have 51865
COMPUTE_TYPES = {"float16": torch.float16, "float32": torch.float32}


class OpenAIWhisper(ReferenceEngine):
    """The reference itself."""

    name = "openai-whisper"

    def __init__(self, options: EngineOptions) -> None:
        self.model = options.model
        self._options = options
        self._torch_device = _device(options.device)
        self.device = self._torch_device.type
        self._dtype = COMPUTE_TYPES[_compute_type(self.device, options.compute_type)]
        self.max_batch = options.max_batch or (1 if self.device == "cpu" else GPU_BATCH)
        self.window_seconds = options.window_seconds or WINDOW_SECONDS

    @property
    def _model_name(self) -> str:
        return self.model

    def load(self) -> None:
        if self.device == "cpu":
            torch.set_num_threads(self._options.threads or available_cores())
        path = find_pytorch_weights(self._options)
        model = _opened(path)
        heads = model._buffers.pop("alignment_heads")  # sparse, which a Mac's GPU cannot hold
        self._heads = heads.indices().T.tolist()
        self._ready(model.to(self._torch_device, self._dtype).eval())

    def _decoded(self, windows: Sequence[Window]) -> list[WindowResult]:
        try:
            with torch.inference_mode():
                return super()._decoded(windows)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory() from error

    def close(self) -> None:
        self._model = None
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        elif self.device == "mps":
            torch.mps.empty_cache()

    def _encoded(self, recordings: Sequence[Audio], frames: int, interrupter: Interrupter) -> torch.Tensor:
        """The encoder's own steps, at a length of our choice."""
        encoder = self._model.encoder
        samples = frames * SAMPLE_RATE // 100
        padded = torch.from_numpy(np.stack([np.pad(own, (0, samples - len(own))) for own in recordings]))
        mel = torch.stack([log_mel_spectrogram(own, self._model.dims.n_mels) for own in padded])
        x = gelu(encoder.conv1(mel.to(self._torch_device, self._dtype)))
        x = gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = x + encoder.positional_embedding[: x.shape[1]]
        for block in encoder.blocks:
            interrupter.check()
            x = block(x)
        encoded: torch.Tensor = encoder.ln_post(x)
        return encoded

    def _first_logits(self, encoded: torch.Tensor, token: int) -> Floats:
        tokens = torch.full((len(encoded), 1), token, device=self._torch_device)
        return np.asarray(self._model.logits(tokens, encoded)[:, 0].float().cpu().numpy())

    def _sampled(
        self, encoded: torch.Tensor, prompts: Sequence[Sequence[int]], temperature: float, interrupter: Interrupter
    ) -> list[Heard]:
        beams = self._options.beam_size
        is_sampled = temperature > 0
        task = _Task(
            self._model,
            DecodingOptions(
                language="en",
                temperature=temperature,
                beam_size=None if is_sampled or beams == 1 else beams,
                best_of=BEST_OF if is_sampled else None,
                without_timestamps=True,
                fp16=self._dtype == torch.float16,
            ),
            prompts,
        )
        task.logit_filters.append(interrupter)
        return [Heard(tuple(row.tokens), row.avg_logprob, row.no_speech_prob) for row in task.run(encoded)]

    def _attention(self, encoded: torch.Tensor, at: int, tokens: Sequence[int]) -> tuple[Floats, Floats]:
        decoder = self._model.decoder
        layers: dict[int, torch.Tensor] = {}
        hooks = [
            block.cross_attn.register_forward_hook(
                lambda _, taken, given, layer=layer: layers.__setitem__(layer, given[-1][0])
            )
            for layer, block in enumerate(decoder.blocks)
        ]
        try:
            with disable_sdpa():
                logits = decoder(torch.tensor([tokens], device=self._torch_device), encoded[at : at + 1])[0]
        finally:
            for hook in hooks:
                hook.remove()
        attention = torch.stack([layers[layer][head] for layer, head in self._heads])
        return attention.float().cpu().numpy(), logits.float().cpu().numpy()

    def _make_tokenizer(self, language: str, task: str) -> Any:
        return get_tokenizer(
            self._model.is_multilingual, num_languages=self._model.num_languages, language=language, task=task
        )

    @property
    def _cheapest_path(self) -> Path:
        return dtw_cpu  # type: ignore[no-any-return]


class _Task(DecodingTask):  # type: ignore[misc]
    """A decoding of audio that is encoded already, with a prompt of its own for each recording."""

    def __init__(self, model: Whisper, options: DecodingOptions, prompts: Sequence[Sequence[int]]) -> None:
        self._prompts = prompts
        super().__init__(model, options)

    def _get_initial_tokens(self) -> tuple[int, ...]:
        return tuple(self._prompts[0])

    def _get_audio_features(self, mel: torch.Tensor) -> torch.Tensor:
        """The library leaves out to repeat them for the beams of each recording, which works for one alone."""
        return mel.repeat_interleave(self.n_group, dim=0) if len(mel) > 1 else mel

    def _detect_language(self, audio_features: torch.Tensor, tokens: torch.Tensor) -> tuple[list[str], None]:
        tokens[:] = torch.tensor(self._prompts)
        return ["en"] * len(tokens), None


def _opened(path: FilePath) -> Whisper:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        model = Whisper(ModelDimensions(**checkpoint["dims"]))
        model.load_state_dict(checkpoint["model_state_dict"])
        if heads := _ALIGNMENT_HEADS.get(_known_name(model.dims)):
            model.set_alignment_heads(heads)
    except (RuntimeError, ValueError, KeyError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelNotFound(
            f"The file '{path}' is no whole checkpoint of openai-whisper: {reason}. If it was downloaded, delete it "
            "and fetch it again; weights for other engines (CTranslate2, ggml, .safetensors) cannot be used."
        ) from error
    return model


def _known_name(size: ModelDimensions) -> str:
    """OpenAI's name for a model of this shape; a checkpoint does not say which of its heads follow the speech."""
    if size.n_vocab == VOCABULARY_OF_V3:
        return {32: "large-v3", 4: "large-v3-turbo"}.get(size.n_text_layer, "")
    shapes = {(4, 384): "tiny", (6, 512): "base", (12, 768): "small", (24, 1024): "medium", (32, 1280): "large-v2"}
    name = shapes.get((size.n_text_layer, size.n_text_state), "")
    return f"{name}.en" if size.n_vocab == VOCABULARY_OF_ENGLISH else name


def _device(device: str) -> torch.device:
    name, _, index = device.strip().lower().partition(":")
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(each for each in ("cuda", "mps", "cpu") if has[each])
    if name == "metal":
        name = "mps"
    if name not in has or (index and not index.isdigit()):
        raise EngineUnavailable(
            f"openai-whisper cannot run on the device '{device}'. It knows auto, cpu, cuda, cuda:1 (a number) and mps."
        )
    if not has[name]:
        raise EngineUnavailable(
            f"PyTorch finds no device '{name}' here, or was built without it.", reason="not_in_pytorch"
        )
    return torch.device(name, int(index)) if index else torch.device(name)


def _compute_type(device: str, compute_type: str) -> str:
    if compute_type in ("auto", "default"):
        return "float16" if device == "cuda" else "float32"
    if compute_type not in COMPUTE_TYPES or (device == "cpu" and compute_type == "float16"):
        can = "float32" if device == "cpu" else ", ".join(COMPUTE_TYPES)
        raise EngineUnavailable(f"openai-whisper cannot compute in '{compute_type}' on {device}. It can: {can}.")
    return compute_type
