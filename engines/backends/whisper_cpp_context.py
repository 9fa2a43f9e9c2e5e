"""Opens a model with whisper.cpp: on which device, with which heads to align words by, and what its log says of it."""

from __future__ import annotations

import atexit
import logging
from typing import Any

import _pywhispercpp as cpp

from engines.errors import EngineUnavailable, ModelNotFound
from engines.weights.ggml import GgmlHeader

log = logging.getLogger(__name__)

ERROR = 4  # whisper.cpp's level for it
VOCABULARY_OF_ENGLISH, VOCABULARY_OF_V3 = 51864, 51866  # tokens; the other models have 51865
# The name of a device -> how the build says that it has it
BACKENDS = {"metal": ("MTL", "Metal"), "mps": ("MTL", "Metal"), "cuda": ("CUDA",), "vulkan": ("Vulkan",)}
atexit.register(cpp.whisper_log_set, None)  # whisper.cpp logs to the end, when there is no Python to call any more


def open_context(path: str, parameters: Any) -> Any:
    """whisper.cpp says in its log alone that it could not load a model, and gives a context that must not be used."""
    complaints: list[str] = []

    def listen(level: int, text: str) -> None:
        if level >= ERROR:
            complaints.append(text.strip())

    cpp.whisper_log_set(listen)
    try:
        context = cpp.whisper_init_from_file_with_params(path, parameters)
    finally:
        cpp.whisper_log_set(_log)
    if complaints:
        cpp.whisper_free(context)
        raise ModelNotFound(f"whisper.cpp cannot load '{path}': {complaints[0]}")
    return context


def _log(level: int, text: str) -> None:
    log.debug("%s", text.strip())


def chosen_device(device: str) -> tuple[str, int]:
    """`cuda:1` → ("cuda", 1). Raises EngineUnavailable for what this build of whisper.cpp has no code for."""
    name, _, index = device.strip().lower().partition(":")
    info = cpp.whisper_print_system_info()
    built = [backend for backend, marks in BACKENDS.items() if any(f"{mark} :" in info for mark in marks)]
    if name == "auto":
        return next((backend for backend in built if backend != "mps"), "cpu"), 0
    if index and not index.isdigit():
        name = ""
    if name != "cpu" and name not in BACKENDS:
        raise EngineUnavailable(f"whisper-cpp knows no device '{device}'. It knows auto, cpu, {', '.join(BACKENDS)}.")
    if name != "cpu" and name not in built:
        raise EngineUnavailable(
            f"This build of whisper.cpp cannot run on '{device}': it has {', '.join(built) or 'no GPU code'}.",
            reason="not_in_whisper_cpp",
        )
    return ("metal" if name == "mps" else name), int(index or 0)


def alignment_heads(header: GgmlHeader) -> Any:
    """Which of a model's heads follow the speech: whisper.cpp knows it for OpenAI's own."""
    presets = cpp.whisper_alignment_heads_preset
    if header.n_vocab == VOCABULARY_OF_V3:
        by_layers = {32: presets.WHISPER_AHEADS_LARGE_V3, 4: presets.WHISPER_AHEADS_LARGE_V3_TURBO}
        return by_layers.get(header.n_text_layer, presets.WHISPER_AHEADS_N_TOP_MOST)
    many, english = {
        (4, 384): (presets.WHISPER_AHEADS_TINY, presets.WHISPER_AHEADS_TINY_EN),
        (6, 512): (presets.WHISPER_AHEADS_BASE, presets.WHISPER_AHEADS_BASE_EN),
        (12, 768): (presets.WHISPER_AHEADS_SMALL, presets.WHISPER_AHEADS_SMALL_EN),
        (24, 1024): (presets.WHISPER_AHEADS_MEDIUM, presets.WHISPER_AHEADS_MEDIUM_EN),
        (32, 1280): (presets.WHISPER_AHEADS_LARGE_V2, presets.WHISPER_AHEADS_LARGE_V2),
    }.get((header.n_text_layer, header.n_audio_state), (presets.WHISPER_AHEADS_N_TOP_MOST,) * 2)
    return english if header.n_vocab == VOCABULARY_OF_ENGLISH else many
