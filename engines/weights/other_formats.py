"""Where the weights of the engines besides faster-whisper lie: a file or directory as given, the Hugging Face cache,
the carried weights of `base` converted once, a download."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from engines.errors import ModelNotFound
from engines.registry import EngineOptions
from engines.weights.conversion import write_ggml, write_mlx, write_pytorch
from engines.weights.ctranslate2 import carries_base, find_ctranslate2_weights, source_of
from engines.weights.ctranslate2_file import WhisperWeights, read_ctranslate2
from engines.weights.download import download
from engines.weights.names import MODELS, Source, canonical_name, known_model

log = logging.getLogger(__name__)

_QUANTISED = re.compile(r"-q[0-9]_[0-9k]$")


def find_ggml_weights(options: EngineOptions) -> Path:
    """A ggml file: `base`, `base.en-q5_1` (whisper.cpp's own names), or a path. Raises ModelNotFound."""
    model = options.model
    if is_path(model):
        return _existing_file(model)
    size, quantised = _split_quantised(model)
    if known_model(size) is None:
        raise _unknown(model, "a ggml file")
    if canonical_name(size) == "base" and not quantised and carries_base():
        return _converted("ggml-base.bin", options.data_dir, _write_ggml)
    source = source_of(size, "whisper-cpp")
    file = source.files[0].removesuffix(".bin") + f"{quantised}.bin"
    return _of_hub(Source(source.repository, (file,)), file, options) / file


def find_mlx_weights(options: EngineOptions) -> Path:
    """A directory with `config.json` and `weights.npz` or `.safetensors`: by name, by Hugging Face id, or as given."""
    if is_path(options.model):
        return _complete_mlx(Path(options.model).expanduser())
    if canonical_name(options.model) == "base" and carries_base():
        return _converted("base-mlx", options.data_dir, write_mlx, "weights.npz")
    return _complete_mlx(_of_hub(source_of(options.model, "mlx-whisper"), "config.json", options))


def find_pytorch_weights(options: EngineOptions) -> Path:
    """A checkpoint of openai-whisper: its own names, or a path. Raises ModelNotFound."""
    if is_path(options.model):
        return _existing_file(options.model)
    from whisper import _MODELS, _download

    known = known_model(options.model)
    if known is None or known.openai is None:
        raise _unknown(options.model, "a checkpoint (.pt)")
    cache = Path.home() / ".cache" / "whisper"  # openai-whisper's own
    target = cache / os.path.basename(_MODELS[known.openai])
    if target.is_file() or not (known.name == "base" and carries_base()):
        return _of_openai(_download, _MODELS[known.openai], target, options)
    return _converted("base.pt", options.data_dir, write_pytorch)


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
        raise ModelNotFound(f"The model file '{path}' {what}.", reason="no_model_file")
    return path


def _complete_mlx(directory: Path) -> Path:
    has_weights = any((directory / f"weights.{kind}").is_file() for kind in ("npz", "safetensors"))
    if not has_weights or not (directory / "config.json").is_file():
        raise ModelNotFound(f"'{directory}' holds no model for mlx-whisper: no directory with config.json and weights.")
    return directory


def _unknown(model: str, kind: str) -> ModelNotFound:
    known = ", ".join(each.name for each in MODELS)
    return ModelNotFound(f"There is no model '{model}'. Known: {known}, turbo, or {kind}.")


def _converted(
    name: str, data_dir: Path, write: Callable[[WhisperWeights, Path], None], last: str | None = None
) -> Path:
    """last: the file that makes a directory whole."""
    target = data_dir / "models" / name
    if not (target / last if last else target).exists():
        log.info("Converting the weights of the model base, once, to %s", target)
        write(read_ctranslate2(find_ctranslate2_weights("base", data_dir)), target)
    return target


def _write_ggml(weights: WhisperWeights, target: Path) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    write_ggml(weights, FeatureExtractor.get_mel_filters(16_000, 400, weights.dimensions.n_mels), target)


def _of_hub(source: Source, wanted: str, options: EngineOptions) -> Path:
    """The directory with the source's files; without the file `wanted` it counts as not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        here = Path(snapshot_download(source.repository, allow_patterns=list(source.files), local_files_only=True))
        if (here / wanted).is_file():
            return here
    except (LocalEntryNotFoundError, ValueError):
        pass
    log.info("Downloading the model %s from the Hugging Face hub, once", options.model)
    return download(source, offline=options.offline)


def _of_openai(fetch: Callable[..., object], url: str, target: Path, options: EngineOptions) -> Path:
    """openai-whisper's own download, which checks its sum."""
    if options.offline and not target.is_file():
        raise ModelNotFound(
            f"The model '{options.model}' is not on this machine ({target}), and OpenAI is not to be asked for it.",
            reason="openai_offline",
        )
    try:
        return Path(str(fetch(url, str(target.parent), in_memory=False)))
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelNotFound(
            f"The model '{options.model}' ({target.name}) is not here and could not be downloaded: {reason}.",
            reason="openai_unreachable",
        ) from error
