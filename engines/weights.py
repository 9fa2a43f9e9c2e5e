"""Where the weights of the engines besides faster-whisper lie: a file or directory as given, the Hugging Face cache,
the carried weights of `base` converted once, a download from the hub."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from engines.conversion import write_ggml, write_mlx, write_pytorch
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


def find_mlx_weights(model: str, data_dir: Path) -> Path:
    """A directory with `config.json` and `weights.npz` or `.safetensors`: by name, by Hugging Face id, or as given."""
    if is_path(model):
        return _complete_mlx(Path(model).expanduser())
    name = canonical_name(model)
    if name == "base" and carries_base():
        return _converted(data_dir / "models" / "base-mlx", data_dir, write_mlx, "weights.npz")
    repository = f"mlx-community/whisper-{name}{'' if 'turbo' in name else '-mlx'}" if _is_known(name) else name
    if "/" not in repository:
        raise _unknown(model, "any Hugging Face id (owner/name) with weights for MLX, or a directory")
    return _complete_mlx(_of_hub(model, repository, "config.json", "weights.*").parent)


def _complete_mlx(directory: Path) -> Path:
    has_weights = any((directory / f"weights.{kind}").is_file() for kind in ("npz", "safetensors"))
    if not has_weights or not (directory / "config.json").is_file():
        raise ModelNotFound(f"'{directory}' holds no model for mlx-whisper: no directory with config.json and weights.")
    return directory


def _is_known(name: str) -> bool:
    return name in CTRANSLATE2_REPOSITORIES


def find_pytorch_weights(model: str, data_dir: Path) -> Path:
    """A checkpoint of openai-whisper: its own names, or a path. Raises ModelNotFound."""
    if is_path(model):
        return _existing_file(model)
    from whisper import _MODELS, _download

    name = canonical_name(model)
    if name not in _MODELS:
        raise _unknown(model, "a checkpoint (.pt)")
    cache = Path.home() / ".cache" / "whisper"
    target = cache / os.path.basename(_MODELS[name])
    if name == "base" and carries_base() and not target.is_file():
        return _converted(data_dir / "models" / "base.pt", data_dir, write_pytorch)
    try:
        return Path(_download(_MODELS[name], str(cache), in_memory=False))
    except (OSError, RuntimeError) as error:
        raise ModelNotFound(_not_downloaded(model, str(target), error)) from error


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


def _converted(
    target: Path, data_dir: Path, write: Callable[[WhisperWeights, Path], None], last: str | None = None
) -> Path:
    """last: the file that makes a directory whole."""
    if not (target / last if last else target).exists():
        log.info("Converting the weights of the model base, once, to %s", target)
        write(read_ctranslate2(find_ctranslate2_weights("base", data_dir)), target)
    return target


def _write_ggml(weights: WhisperWeights, target: Path) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    write_ggml(weights, FeatureExtractor.get_mel_filters(16_000, 400, weights.dimensions.n_mels), target)


def _of_hub(model: str, repository: str, *files: str) -> Path:
    """The first of the files; all are there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        directory = Path(snapshot_download(repository, allow_patterns=list(files), local_files_only=True))
        if (directory / files[0]).is_file():
            return directory / files[0]
    except (LocalEntryNotFoundError, ValueError):
        pass
    log.info("Downloading the model %s (%s of %s) from the Hugging Face hub, once", model, files[0], repository)
    try:
        return Path(snapshot_download(repository, allow_patterns=list(files))) / files[0]
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelNotFound(_not_downloaded(model, f"{files[0]} of {repository}", error)) from error


def _not_downloaded(model: str, source: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"The model '{model}' ({source}) is not on this machine and could not be downloaded: {reason}. Connect to the "
        "hub once, or set WHISPER_MODEL to 'base', whose weights come with the installation, or to a path."
    )
