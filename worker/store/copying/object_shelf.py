"""An object store as it is copied from, or to.

What a data directory has in one file may be several objects: the deliveries, and what an attempt has decoded.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from worker.store.copying.shelf import COMMIT, DamagedCopy, Part, Parts, Recording
from worker.store.files import digest_of
from worker.store.idempotency import parsed
from worker.store.objects.bucket import Bucket, check, store_id
from worker.store.objects.claims import FOLDER
from worker.store.objects.claims import content as claim_content
from worker.store.records import is_job_id

_DELIVERIES = "deliveries.jsonl"
_CHECKPOINT = re.compile(r"checkpoint\.(\d+)(?:\.(\d{6}|ended|crashed))?")
_FILE = re.compile(r"checkpoint\.(\d+)(\.ended)?\.jsonl")


class ObjectShelf:
    """See Shelf. url: where it is, for people. Raises StoreUnfit, or OSError if it cannot be reached."""

    def __init__(self, bucket: Bucket, url: str) -> None:
        check(bucket)
        self.place = url
        self.id = store_id(bucket)
        self._bucket = bucket

    def ids(self) -> Iterator[str]:
        last = ""
        for entry in self._bucket.list("jobs/"):
            job_id, _, name = entry.name.partition("/")
            if name == COMMIT and job_id != last and is_job_id(job_id):
                last = job_id
                yield job_id

    def parts(self, job_id: str) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for file, objects in self._objects(job_id).items():
            found[file] = Part(sum(each.size for each in objects.values()), max(e.changed_at for e in objects.values()))
        return found if COMMIT in found else {}

    def record(self, job_id: str, name: str) -> bytes:
        objects = self._objects(job_id).get(name)
        if objects is None:
            raise FileNotFoundError(f"{job_id}: {name}")
        begins = _FILE.fullmatch(name)  # the object that says that an attempt has begun holds no lines of it
        first = f"checkpoint.{begins[1]}" if begins else None
        return b"".join(self._bucket.get(f"jobs/{job_id}/{each}").data for each in sorted(objects) if each != first)

    @contextmanager
    def recording(self, job_id: str, name: str) -> Iterator[Recording]:
        with tempfile.TemporaryDirectory(prefix="whisper-copy-") as directory:
            path = Path(directory) / "recording"
            told = self._bucket.download(f"jobs/{job_id}/{name}", path)
            digest = digest_of(path)
            if told and told != digest:
                raise DamagedCopy(f"{job_id}: {name} in {self.place} is not what its sum says")
            yield Recording(path, digest)

    def write(self, job_id: str, parts: Parts) -> None:
        """`job.json` comes last, and goes first if there was one: without it there is no job."""
        before = [entry.name for entry in self._bucket.list(f"jobs/{job_id}/")]
        self._bucket.delete([f"jobs/{job_id}/{name}" for name in before if name == COMMIT])
        self._bucket.delete([f"jobs/{job_id}/{name}" for name in before if name != COMMIT])
        for name, recording in parts.recordings.items():
            self._bucket.upload(f"jobs/{job_id}/{name}", recording.path, recording.digest)
            with self.recording(job_id, name) as there:
                if there.digest != recording.digest:
                    raise DamagedCopy(f"{job_id}: {name} did not arrive as it was sent")
        for name, content in sorted(parts.records.items(), key=lambda each: each[0] == COMMIT):
            for key, data in _as_objects(name, content).items():
                self._bucket.put(f"jobs/{job_id}/{key}", data)

    def claims(self) -> dict[str, bytes]:
        names = [entry.name for entry in self._bucket.list(FOLDER)]
        return {name: self._bucket.get(FOLDER + name).data for name in names}

    def write_claim(self, name: str, content: bytes) -> None:
        self._bucket.put(FOLDER + name, claim_content(parsed(content)))

    def _objects(self, job_id: str) -> dict[str, dict[str, Part]]:
        """By the file that a data directory has for them, and their names."""
        listed = {entry.name: Part(entry.size, entry.changed_at) for entry in self._bucket.list(f"jobs/{job_id}/")}
        ended = {name.split(".")[1] for name in listed if name.startswith("checkpoint.") and name.endswith(".ended")}
        found: dict[str, dict[str, Part]] = {}
        for name, part in listed.items():
            if name != "deleted":
                found.setdefault(_file(name, ended), {})[name] = part
        return found


def _file(name: str, ended: set[str]) -> str:
    if name.startswith("deliveries."):
        return _DELIVERIES
    attempt = _CHECKPOINT.fullmatch(name)
    if attempt is None or attempt[2] == "crashed":
        return name
    return f"checkpoint.{attempt[1]}.ended.jsonl" if attempt[1] in ended else f"checkpoint.{attempt[1]}.jsonl"


def _as_objects(name: str, content: bytes) -> dict[str, bytes]:
    if name == _DELIVERIES:
        return {f"deliveries.000000.{uuid4().hex}": content}
    if not (attempt := _FILE.fullmatch(name)):
        return {name: content}
    number, has_ended = attempt[1], attempt[2] is not None
    lines = f"checkpoint.{number}.ended" if has_ended else f"checkpoint.{number}.000001"
    return {f"checkpoint.{number}": uuid4().hex.encode(), lines: content}
