"""Whether a shared store answers is known at once, and asked of it no more often than that changes."""

from __future__ import annotations

import errno
import threading

from obstore.store import MemoryStore

from worker.store.errors import StoreUnavailable
from worker.store.objects.bucket import Bucket, Entry
from worker.store.objects.reach import Reach


class Away(Bucket):
    """Answers once the gate is open, and then as it is told."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.gate = threading.Event()
        self.error: OSError | None = None
        self.asked = 0

    def entry(self, key: str) -> Entry | None:
        self.asked += 1
        self.gate.wait(30)
        if self.error:
            raise self.error
        return super().entry(key)


def test_a_store_that_hangs_keeps_nobody_waiting_and_is_asked_once() -> None:
    bucket = Away()
    reach = Reach(bucket, fresh=1000, patience=0.01)
    assert [reach.trouble() for _ in range(3)] == ["The store does not answer."] * 3
    assert bucket.asked == 1
    bucket.gate.set()
    assert Reach(bucket, patience=30).trouble() is None


def test_a_store_that_refuses_says_why_until_it_answers() -> None:
    bucket = Away()
    bucket.gate.set()
    bucket.error = StoreUnavailable(errno.EROFS, "The store refuses it: AccessDenied")
    reach = Reach(bucket, fresh=0, patience=30)
    assert reach.trouble() == "The store refuses it: AccessDenied"
    bucket.error = None
    assert reach.trouble() is None
