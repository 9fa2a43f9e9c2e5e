"""Whether the model's weights are on this machine, without fetching them."""

from __future__ import annotations

from pathlib import Path

from engines.errors import ModelNotFound
from engines.registry import EngineOptions, fastest_engine
from engines.weights.ctranslate2 import carries_base, weights_on_this_machine
from engines.weights.names import canonical_name
from scripts.doctor.finding import Finding, failure, ok, warning
from scripts.setup_environment import is_checkout
from worker.models.remedies import with_remedy

_LFS = b"version https://git-lfs"  # what git leaves of a large file where Git LFS is missing


def weights(model: str, data_dir: Path, engine: str = "faster-whisper") -> Finding:
    """engine: whose weights; `auto` is resolved."""
    if engine == "auto":
        engine = fastest_engine(EngineOptions(model))
    if engine != "faster-whisper":
        return _of_another_engine(model, engine)
    try:
        directory = weights_on_this_machine(model, data_dir)
    except ModelNotFound as error:
        return failure("model", f"{with_remedy(error)} (WHISPER_MODEL={model})")
    if directory is None:
        program = ".venv/bin/python scripts/download_model.py" if is_checkout() else "whisper-native serve download"
        ahead = f"Ahead: {program} {model}"
        return warning("model", f"The weights of {model} are not here: the first start fetches them. {ahead}")
    if _is_pointer(directory / "model.bin"):
        return failure(
            "model", f"{directory / 'model.bin'} is a Git LFS pointer, not the weights. Fetch them: git lfs pull."
        )
    return ok("model", f"{model} in {directory}")


def _of_another_engine(model: str, engine: str) -> Finding:
    if Path(model).expanduser().exists():
        return ok("model", model)
    if canonical_name(model) == "base" and carries_base():
        return ok("model", f"{model}, from the weights that came with the installation")
    return ok("model", f"{model}: {engine} looks for its weights as it starts, and fetches them if they are not here")


def _is_pointer(path: Path) -> bool:
    if not path.is_file():
        return False  # in two halves still
    with open(path, "rb") as file:
        return file.read(len(_LFS)) == _LFS
