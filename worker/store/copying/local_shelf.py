"""A data directory as a store is copied from it, or to it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.store.copying.shelf import DamagedCopy, Part, Parts, Recording
from worker.store.files import digest_of, sync_directory, write_synced
from worker.store.records import is_job_id
from worker.store.store_id import store_id

_KEPT = re.compile(
    r"source|playable|reference\.\d+|answered|[a-z]+\.json|deliveries\.jsonl|checkpoint\.\d+(\.ended)?\.jsonl"
    r"|checkpoint\.\d+\.crashed"
)


class LocalShelf:
    """See Shelf."""

    def __init__(self, root: Path) -> None:
        self.place = str(root)
        self._jobs, self._incoming, self._claims = (root / name for name in ("jobs", "incoming", "claims"))
        for directory in (self._jobs, self._incoming, self._claims):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = store_id(root)

    def ids(self) -> Iterator[str]:
        yield from sorted(filter(is_job_id, os.listdir(self._jobs)))

    def parts(self, job_id: str) -> dict[str, Part]:
        found = {}
        with suppress(FileNotFoundError), os.scandir(self._jobs / job_id) as files:
            for file in files:
                if _KEPT.fullmatch(file.name):
                    status = file.stat()
                    found[file.name] = Part(status.st_size, status.st_mtime)
        return found

    def record(self, job_id: str, name: str) -> bytes:
        return (self._jobs / job_id / name).read_bytes()

    @contextmanager
    def recording(self, job_id: str, name: str) -> Iterator[Recording]:
        path = self._jobs / job_id / name
        yield Recording(path, digest_of(path))

    def write(self, job_id: str, parts: Parts) -> None:
        """Beside the others, and renamed once it is whole."""
        aside, target = self._incoming / f"copied-{job_id}", self._jobs / job_id
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        for name, recording in parts.recordings.items():
            with open(recording.path, "rb") as source, open(aside / name, "xb") as copy:
                shutil.copyfileobj(source, copy, 1024 * 1024)
                copy.flush()
                os.fsync(copy.fileno())
            if digest_of(aside / name) != recording.digest:
                raise DamagedCopy(f"{job_id}: {name} did not arrive as it was sent")
        for name, content in parts.records.items():
            write_synced(aside / name, content)
        sync_directory(aside)
        replaced = self._incoming / f"replaced-{job_id}"
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)  # of a copy that was broken off right here
            os.rename(target, replaced)
        os.rename(aside, target)
        sync_directory(self._jobs)
        shutil.rmtree(replaced, ignore_errors=True)

    def claims(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self._claims.iterdir() if path.is_file()}

    def write_claim(self, name: str, content: bytes) -> None:
        path = self._claims / name
        path.unlink(missing_ok=True)
        write_synced(path, content)
