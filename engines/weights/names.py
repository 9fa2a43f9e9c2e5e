"""The models people know by name, and what each engine takes for one: a repository of the Hugging Face hub, a file in
one, or the name openai-whisper has for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_CPP = "ggerganov/whisper.cpp"


@dataclass(frozen=True, slots=True)
class Source:
    """A repository of the Hugging Face hub and which of its files are wanted, as patterns."""

    repository: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """parameters: in millions. megabytes: its weights at 16 bits a number, which is what is downloaded; in memory at
    int8 they take half. ctranslate2, mlx: repositories. ggml: repository and file. openai: openai-whisper's name."""

    name: str
    parameters: int
    megabytes: int
    languages: Literal["many", "English"]
    ctranslate2: str
    mlx: str
    ggml: tuple[str, str]
    openai: str | None
    translates: bool = True

    @property
    def repositories(self) -> tuple[str, str]:
        """Those that hold this model and nothing else."""
        return self.ctranslate2, self.mlx


def _of_openai(name: str, parameters: int, megabytes: int) -> Model:
    is_english = name.endswith(".en")
    return Model(
        name,
        parameters,
        megabytes,
        "English" if is_english else "many",
        ctranslate2=f"Systran/faster-whisper-{name}",
        mlx=f"mlx-community/whisper-{name}-mlx",
        ggml=(_CPP, f"ggml-{name}.bin"),
        openai=name,
        translates=not is_english,
    )


MODELS: tuple[Model, ...] = (
    _of_openai("tiny", 39, 76),
    _of_openai("tiny.en", 39, 76),
    _of_openai("base", 74, 145),
    _of_openai("base.en", 74, 145),
    _of_openai("small", 244, 484),
    _of_openai("small.en", 244, 484),
    _of_openai("medium", 769, 1528),
    _of_openai("medium.en", 769, 1528),
    _of_openai("large-v2", 1550, 3087),
    _of_openai("large-v3", 1550, 3087),
    Model(
        "large-v3-turbo",
        809,
        1618,
        "many",
        ctranslate2="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        mlx="mlx-community/whisper-large-v3-turbo",
        ggml=(_CPP, "ggml-large-v3-turbo.bin"),
        openai="large-v3-turbo",
        translates=False,  # its decoder was trained on transcription alone
    ),
    Model(
        "distil-large-v3",
        756,
        1513,
        "English",
        ctranslate2="Systran/faster-distil-whisper-large-v3",
        mlx="mlx-community/distil-whisper-large-v3",
        ggml=("distil-whisper/distil-large-v3-ggml", "ggml-distil-large-v3.bin"),
        openai=None,
        translates=False,
    ),
)

# What each engine wants of a repository. openai-whisper fetches its weights itself, from OpenAI.
CTRANSLATE2_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
MLX_FILES = ("config.json", "weights.*", "*.safetensors")
SOURCES: dict[str, Callable[[Model], Source]] = {
    "faster-whisper": lambda model: Source(model.ctranslate2, CTRANSLATE2_FILES),
    "mlx-whisper": lambda model: Source(model.mlx, MLX_FILES),
    "lightning-whisper-mlx": lambda model: Source(model.mlx, MLX_FILES),
    "whisper-cpp": lambda model: Source(model.ggml[0], (model.ggml[1],)),
}

_BY_NAME = {model.name: model for model in MODELS}
_BY_REPOSITORY = {repository.lower(): model.name for model in MODELS for repository in model.repositories}
_SHORT_NAMES = {"turbo": "large-v3-turbo", "large": "large-v3"}
_PREFIX = re.compile(r"^(systran/)?faster-whisper-|^openai/whisper-|^whisper-(?=tiny|base|small|medium|large|turbo)")


def canonical_name(model: str) -> str:
    """One name for the spellings of a model: `turbo`, `large-v3-turbo`, `Systran/faster-whisper-base`, `base` …

    An unknown Hugging Face id or a directory is its own name.
    """
    name = model.strip()
    if known := _BY_REPOSITORY.get(name.lower()):
        return known
    short = _PREFIX.sub("", name.lower())
    short = _SHORT_NAMES.get(short, short)
    return short if short in _BY_NAME else name


def known_model(name: str) -> Model | None:
    """What the table says of a model under any of its spellings; None for what it does not have."""
    return _BY_NAME.get(canonical_name(name))


def is_english_only(model: str) -> bool:
    """Whether the model has no other language at all; the distilled ones know English, and other languages badly."""
    return canonical_name(model).endswith(".en")
