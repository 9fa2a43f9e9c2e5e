"""Engine names, and what each needs."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from engines.base import Engine
from engines.errors import EngineUnavailable

ENGINES: dict[str, str] = {
    "faster-whisper": "engines.backends.faster_whisper:FasterWhisper",
    "whisper-cpp": "engines.backends.whisper_cpp:WhisperCpp",
    "openai-whisper": "engines.backends.openai_whisper:OpenAIWhisper",
    "mlx-whisper": "engines.backends.mlx_whisper:MLXWhisper",
    "lightning-whisper-mlx": "engines.backends.mlx_whisper:LightningWhisperMLX",
    "fake": "engines.backends.fake:FakeEngine",
}
LIBRARIES = {  # what each engine's module imports
    "faster-whisper": ("faster_whisper", "ctranslate2"),
    "whisper-cpp": ("_pywhispercpp",),
    "openai-whisper": ("whisper", "torch"),
    "mlx-whisper": ("mlx", "mlx_whisper"),
    "lightning-whisper-mlx": ("mlx", "mlx_whisper"),
}
EXTRAS = {  # engines that do not come with every installation -> their extras in pyproject.toml
    "whisper-cpp": "whisper-cpp",
    "openai-whisper": "openai-whisper",
    "mlx-whisper": "mlx",
    "lightning-whisper-mlx": "mlx",
}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an operator may choose of an engine; `auto` and None leave it to the engine."""

    model: str = "base"
    device: str = "auto"
    compute_type: str = "auto"
    lanes: int | None = None
    threads: int | None = None
    max_batch: int | None = None
    window_seconds: float | None = None
    beam_size: int = 5  # beams of the search at temperature 0
    data_dir: Path = Path("data")
    offline: bool = False  # never ask a model hub


DEVICES = ("auto", "cpu", "cuda", "mps", "metal", "vulkan")
_DEVICE = re.compile(rf"(?:{'|'.join(DEVICES)})(?::\d+)?")


def is_device(text: str) -> bool:
    """Whether the text names a device, as in `cuda` or `CUDA:1`; which of them an engine can use, it says itself."""
    return _DEVICE.fullmatch(text.strip().lower()) is not None


def create_engine(name: str, options: EngineOptions) -> Engine:
    """The engine of this name, not loaded yet. Raises EngineUnavailable for one unknown or not installed."""
    if name == "auto":
        name = fastest_engine(options)
    if name not in ENGINES:
        raise EngineUnavailable(f"There is no engine '{name}'. Known: auto, {', '.join(sorted(ENGINES))}.")
    module_name, _, class_name = ENGINES[name].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES.get(name, ()):
            raise  # something the library itself lacks: a broken installation must not look like a missing one
        raise _not_installed(name, str(error.name)) from error
    engine: Engine = getattr(module, class_name)(options)
    return engine


def fastest_engine(options: EngineOptions, system: str | None = None, machine: str | None = None) -> str:
    """What `auto` means here. faster-whisper itself takes an NVIDIA GPU if it can use one, else the CPU."""
    is_apple_silicon = (system or platform.system(), machine or platform.machine()) == ("Darwin", "arm64")
    wants_gpu = options.device.strip().lower() in ("auto", "mps", "metal")
    suits = options.compute_type in ("auto", "default", "float16", "bfloat16", "float32")
    is_ctranslate2 = (Path(options.model).expanduser() / "model.bin").is_file()
    if is_apple_silicon and wants_gpu and suits and not is_ctranslate2 and is_installed("mlx-whisper"):
        return "mlx-whisper"
    return "faster-whisper"


def is_installed(name: str) -> bool:
    return all(map(importlib.util.find_spec, LIBRARIES.get(name, ())))


def _not_installed(name: str, package: str) -> EngineUnavailable:
    what = f"The engine '{name}' needs the package {package}, which is not installed."
    if extra := EXTRAS.get(name):
        return EngineUnavailable(what, reason="extra_not_installed", extra=extra)
    return EngineUnavailable(what, reason="library_not_installed")
