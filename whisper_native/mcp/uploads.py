"""Recordings on their way to the server: they go on while an agent that has waited long enough is answered."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whisper_native.errors import Failure
from whisper_native.http.connection import Connection
from whisper_native.http.server import required
from whisper_native.recordings.content import read
from whisper_native.recordings.sources import MAX_SHOWN, is_recording

AT_ONCE = 2

Fields = Mapping[str, str]


@dataclass
class Upload:
    """job: as the server shows it, or Failure. share: of the file that has gone out."""

    size: int
    job: Future[dict[str, Any]] = field(init=False)
    share: float = 0.0

    def note(self, sent: int) -> None:
        self.share = sent / self.size


class Uploads:
    """connect: makes a connection to the server. A file that is asked for again while it is uploaded is not sent
    twice."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(AT_ONCE, "upload")
        self._under_way: dict[tuple[object, ...], Upload] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def begin(self, path: Path, fields: Fields) -> Upload:
        """The upload of the file as it is now, new or under way. path: as `recording_at` gives it."""
        found = path.stat()
        key = (path, found.st_size, found.st_mtime_ns, *sorted(fields.items()))
        with self._lock:
            upload = self._under_way.get(key)
            if upload is None:
                upload = self._under_way[key] = Upload(found.st_size)
                upload.job = self._threads.submit(self._send, path, fields, upload)
            return upload

    def take(self, upload: Upload) -> dict[str, Any]:
        """What has become of it. Until it is taken, it is kept for whoever asks for the file again."""
        with self._lock:
            self._under_way = {key: each for key, each in self._under_way.items() if each is not upload}
        return upload.job.result()

    def stop(self) -> None:
        """Leaves what is not sent."""
        self._stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, path: Path, fields: Fields, upload: Upload) -> dict[str, Any]:
        recording = read(path, path.name, lambda done: None, self._stop)
        connection = self._connect()
        connection.stop = self._stop
        try:
            return required(connection).submit(recording, fields, upload.note)
        finally:
            connection.close()


def recording_at(named: str) -> Path:
    """The file, if by its name it is a recording: an agent that was talked into it can send nothing else.

    named: its path as an agent writes it. Raises Failure."""
    try:
        path = Path(named).expanduser().absolute()
        return _checked(path, path.stat())
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(f"There is no file {named}. Name it with its full path.", "not_found") from None
    except (OSError, RuntimeError, ValueError) as error:  # too long, of an unknown user, a zero byte
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(
            f"The path {named[:MAX_SHOWN]!r} cannot be read: {reason}. Name one recording.", "not_found"
        ) from None


def _checked(path: Path, found: os.stat_result) -> Path:
    if not stat.S_ISREG(found.st_mode):
        raise Failure(f"{path} is not a file. Name one recording.", "not_a_file")
    if not is_recording(path.resolve()):
        raise Failure(
            f"{path.name} is not a recording by its name. Only audio and video files are sent.", "no_recording"
        )
    if not found.st_size:
        raise Failure(f"{path} is empty (0 bytes).", "empty_file")
    return path
