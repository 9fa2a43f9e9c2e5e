"""Weights from the Hugging Face hub: fetched with resumption and progress, and checked against the sums it states.

The hub's own library resumes if a connection broke, but not if a run was ended, and it leaves sums unchecked. So
the large files are fetched here, into the place where that library looks for them first; it then has the rest to do.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from tqdm import tqdm

from engines.errors import ModelNotFound
from engines.weights.names import Source

if TYPE_CHECKING:
    _Bar = tqdm[Any]
else:
    _Bar = tqdm

TELL_EVERY = 10.0  # seconds between two lines about a download's progress in a log
_BLOCK = 1 << 20  # bytes read at a time to sum a file

log = logging.getLogger(__name__)


class LoggedProgress(_Bar):
    """A download's progress as lines of a log, if no terminal shows a bar."""

    _told_at = 0.0

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        now = time.monotonic()
        if self.unit == "B" and self.total and now - self._told_at >= TELL_EVERY:
            self._told_at = now
            log.info("Downloaded %.0f of %.0f MB", self.n / 1e6, self.total / 1e6)


def download(
    source: Source,
    *,
    to: Path | None = None,
    offline: bool = False,
    progress: type[Any] | None = LoggedProgress,
) -> Path:
    """A directory with the source's files: its place in the hub's cache, or `to`.

    offline: never ask the hub. progress: a class like tqdm, or None for the hub's own bars. Raises ModelNotFound,
    saying why.
    """
    repository = source.repository
    if offline:
        raise _offline(repository, "offline")
    from huggingface_hub import HfApi, snapshot_download

    try:
        listed = HfApi().model_info(repository, files_metadata=True)
        for file in _large_files(listed.siblings or (), source.files):
            _fetch(repository, str(listed.sha), file, _place(repository, file, to), progress)
        directory = snapshot_download(
            repository,
            revision=listed.sha if to else None,  # by its branch, a snapshot in the cache is found again offline
            local_dir=to,
            allow_patterns=list(source.files),
            tqdm_class=progress,
        )
    except ModelNotFound:
        raise
    except Exception as error:
        raise _explained(repository, error) from error
    return Path(directory)


def _large_files(listed: Iterable[Any], patterns: Sequence[str]) -> list[Any]:
    """Those the hub keeps by their SHA-256, which are the weights."""
    return [file for file in listed if file.lfs and any(fnmatch(file.rfilename, pattern) for pattern in patterns)]


def _place(repository: str, file: Any, to: Path | None) -> Path:
    """Where the hub's library looks for the file before it would fetch it."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    if to is not None:
        return to / str(file.rfilename)
    folder = repo_folder_name(repo_id=repository, repo_type="model")
    return Path(constants.HF_HUB_CACHE).expanduser() / folder / "blobs" / str(file.lfs.sha256)


def _fetch(repository: str, revision: str, file: Any, target: Path, progress: type[Any] | None) -> None:
    """Fetches a large file, from where an earlier run stopped, and moves it into place once its sum is right."""
    part = target.with_name(f"{target.name}.part")
    lock = target.with_name(f"{target.name}.lock")
    part.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if target.exists():
            return
        _complete(part, repository, revision, file, progress)
        if not _has_sum(part, file.lfs.sha256):
            part.unlink()
            raise ModelNotFound(
                f"What was downloaded of {repository} is damaged ({file.rfilename} has not the sum the hub states) and "
                "was deleted. Try again; if it happens again, something between here and the hub alters it."
            )
        os.replace(part, target)
    lock.unlink(missing_ok=True)  # whoever still waits for it finds the file


def _complete(part: Path, repository: str, revision: str, file: Any, progress: type[Any] | None) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    if part.exists() and part.stat().st_size > file.size:
        part.unlink()
    with open(part, "ab") as partial:
        http_get(
            hf_hub_url(repository, file.rfilename, revision=revision),
            partial,
            resume_size=partial.tell(),
            headers=build_hf_headers(),
            expected_size=file.size,
            displayed_filename=file.rfilename,
            tqdm_class=progress,
        )


def _has_sum(path: Path, stated: str) -> bool:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == stated


def _explained(repository: str, error: Exception) -> ModelNotFound:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if isinstance(error, OfflineModeIsEnabled):
        return _offline(repository, "hub_offline")
    if isinstance(error, GatedRepoError):
        return ModelNotFound(f"{repository} wants its terms accepted on the hub first.", reason="terms_not_accepted")
    if isinstance(error, RepositoryNotFoundError):
        return ModelNotFound(f"The hub has no repository {repository}, or it is a private one.", reason="no_repository")
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, OSError) and not isinstance(error, HfHubHTTPError | LocalEntryNotFoundError):
        what = f"{repository} could not be downloaded: {first}. What is here already is kept."
        return ModelNotFound(what, reason="download_broke")
    what = f"{repository} is not on this machine and could not be downloaded: {first}."
    return ModelNotFound(what, reason="hub_unreachable")


def _offline(repository: str, reason: str) -> ModelNotFound:
    return ModelNotFound(f"{repository} is not on this machine, and the hub is not to be asked.", reason=reason)
