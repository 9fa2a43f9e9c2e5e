"""The request to finish what runs, take nothing new and end. A file, so that processes need neither Redis nor a signal
to see it: workers end when they have nothing in hand, the API refuses who would wait, the supervisor stops the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

FILE = "whisper-native.drain"  # in the data directory; holds the seconds that jobs in hand may take
DRAIN_FILE = "WHISPER_DRAIN_FILE"  # from the supervisor, if it is another one: of a part of the service on this machine


class DrainRequest:
    """Of the processes that look at this file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._seen_at: float | None = None

    @classmethod
    def of(cls, data_dir: Path) -> DrainRequest:
        """Of the service this process is a part of."""
        return cls(Path(os.environ.get(DRAIN_FILE) or data_dir / FILE))

    def ask(self, patience: float) -> None:
        """Again is no harm: the first patience counts."""
        if not self.is_there():
            beside = self._path.with_suffix(".tmp")
            beside.write_text(f"{patience:g}\n", encoding="ascii")
            beside.replace(self._path)

    def is_there(self) -> bool:
        return self._path.exists()

    def is_overdue(self) -> bool:
        """Whether its patience has run out since this object saw it first."""
        if not self.is_there():
            self._seen_at = None
            return False
        if self._seen_at is None:
            self._seen_at = self._clock()
        return self._clock() - self._seen_at >= self._patience()

    def withdraw(self) -> None:
        self._path.unlink(missing_ok=True)

    def _patience(self) -> float:
        try:
            return float(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0.0
