"""Whether the store can be reached, for whoever asks often and must not wait for it."""

from __future__ import annotations

import threading
import time

from worker.store.objects.bucket import STORE_ID, Bucket

FRESH = 3.0  # seconds for which a look will do
PATIENCE = 1.0  # seconds for a look: the client itself tries for twenty


class Reach:
    """May be used from any thread; looks once at a time."""

    def __init__(self, bucket: Bucket, fresh: float = FRESH, patience: float = PATIENCE) -> None:
        self._bucket = bucket
        self._fresh = fresh
        self._patience = patience
        self._lock = threading.Lock()
        self._look = threading.Thread(target=self._ask)
        self._looked_at = float("-inf")  # monotonic seconds
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """What is wrong; None if it answers."""
        with self._lock:
            if not self._look.is_alive() and time.monotonic() - self._looked_at > self._fresh:
                self._look = threading.Thread(target=self._ask, name="store", daemon=True)
                self._look.start()
            look = self._look
        if look.is_alive():
            look.join(self._patience)
        return "The store does not answer." if look.is_alive() else self._trouble

    def _ask(self) -> None:
        try:
            self._bucket.entry(STORE_ID)
            self._trouble = None
        except OSError as error:
            self._trouble = error.strerror or str(error)
        self._looked_at = time.monotonic()
