"""Engine names, and what each needs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from engines.base import Engine
from engines.errors import EngineUnavailable

ENGINES: dict[str, str] = {
    "faster-whisper": "engines.faster_whisper:FasterWhisper",
    "whisper-cpp": "engines.whisper_cpp:WhisperCpp",
    "openai-whisper": "engines.openai_whisper:OpenAIWhisper",
    "mlx-whisper": "engines.mlx_whisper:MLXWhisper",
    "lightning-whisper-mlx": "engines.mlx_whisper:LightningWhisperMLX",
    "fake": "engines.fake:FakeEngine",
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
    data_dir: Path = Path("data")
    offline: bool = False  # never ask a model hub


def create_engine(name: str, options: EngineOptions) -> Engine:
    """The engine of this name, not loaded yet. Raises EngineUnavailable for one unknown or not installed."""
    if name == "auto":
        name = "faster-whisper"
    if name not in ENGINES:
        raise EngineUnavailable(f"There is no engine '{name}'. Known: auto, {', '.join(sorted(ENGINES))}.")
    module_name, _, class_name = ENGINES[name].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES.get(name, ()):
            raise  # something the library itself lacks: a broken installation must not look like a missing one
        raise EngineUnavailable(
            f"The engine '{name}' needs the package {error.name}, which is not installed. {_remedy(name)}"
        ) from error
    engine: Engine = getattr(module, class_name)(options)
    return engine


def _remedy(name: str) -> str:
    if extra := EXTRAS.get(name):
        return f"Install it: make engine EXTRA={extra} (or: python scripts/setup_environment.py --extra {extra})."
    return "Run make whisper-native, or pip install -r requirements.txt."
