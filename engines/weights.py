"""Where the weights of the engines besides faster-whisper lie: a file or directory as given, the Hugging Face cache,
the carried weights of `base` converted once, a download from the hub."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from engines.conversion import write_ggml
from engines.ctranslate2_file import WhisperWeights, read_ctranslate2
from engines.errors import ModelNotFound
from engines.models import CTRANSLATE2_REPOSITORIES, canonical_name, carries_base, find_ctranslate2_weights

log = logging.getLogger(__name__)

GGML_REPOSITORY = "ggerganov/whisper.cpp"
_QUANTISED = re.compile(r"-q[0-9]_[0-9k]$")


def find_ggml_weights(model: str, data_dir: Path) -> Path:
    """A ggml file: `base`, `base.en-q5_1` (whisper.cpp's own names), or a path. Raises ModelNotFound."""
    if is_path(model):
        return _existing_file(model)
    size, quantised = _split_quantised(model)
    if canonical_name(size) not in CTRANSLATE2_REPOSITORIES:
        raise _unknown(model, "a ggml file")
    name = canonical_name(size) + quantised
    if name == "base" and carries_base():
        return _converted(data_dir / "models" / "ggml-base.bin", data_dir, _write_ggml)
    return _of_hub(model, GGML_REPOSITORY, f"ggml-{name}.bin")


def is_path(model: str) -> bool:
    return model.startswith((".", "~", os.sep)) or "\\" in model or Path(model).exists()


def _split_quantised(model: str) -> tuple[str, str]:
    name = model.strip().removeprefix("ggml-").removesuffix(".bin")
    found = _QUANTISED.search(name.lower())
    return (name[: found.start()], found[0]) if found else (name, "")


def _existing_file(model: str) -> Path:
    path = Path(model).expanduser()
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is not there"
        raise ModelNotFound(f"The model file '{path}' {what}. Set WHISPER_MODEL to the file itself, or to a name.")
    return path


def _unknown(model: str, kind: str) -> ModelNotFound:
    known = ", ".join(CTRANSLATE2_REPOSITORIES)
    return ModelNotFound(f"There is no model '{model}'. Known: {known}, turbo, or {kind}.")


def _converted(target: Path, data_dir: Path, write: Callable[[WhisperWeights, Path], None]) -> Path:
    if not target.exists():
        log.info("Converting the weights of the model base, once, to %s", target)
        write(read_ctranslate2(find_ctranslate2_weights("base", data_dir)), target)
    return target


def _write_ggml(weights: WhisperWeights, target: Path) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    write_ggml(weights, FeatureExtractor.get_mel_filters(16_000, 400, weights.dimensions.n_mels), target)


def _of_hub(model: str, repository: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        log.info("Downloading the model %s (%s of %s) from the Hugging Face hub, once", model, file, repository)
    try:
        return Path(hf_hub_download(repository, file))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelNotFound(
            f"The model '{model}' ({file} of {repository}) is not on this machine and could not be downloaded: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. Connect to the hub once, or set "
            "WHISPER_MODEL to 'base' (its weights come with the installation) or to the file itself."
        ) from error
