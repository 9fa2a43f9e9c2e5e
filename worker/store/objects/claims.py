"""Claims as objects, each changed on condition that nobody else has changed it.

A holder changes its claim every few seconds. Whoever finds one that has stood still for longer, by its own clock, takes
it: so clocks of different machines are never compared, and a dead process holds nothing for long. A claim that names a
job that is there is held by nobody, so that to let go of it takes no request.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from worker.store.idempotency import CLAIM, ClaimBusy, Claimed, counts, parsed
from worker.store.objects.bucket import Bucket, Conflict, Content
from worker.store.record_format import RecordUnreadable, encoded

FOLDER = "claims/"
RENEW = 5.0  # seconds
DEAD = 4 * RENEW  # seconds without a change after which nobody holds it
LOOK_AGAIN = 0.1  # seconds
FAR = 10  # times as long as a claim that is a file takes one that takes some requests

log = logging.getLogger(__name__)


class ObjectClaim:
    """See Claim. holder: whose name stands in it; tag: of the version that is ours. found: what it stood for."""

    def __init__(self, bucket: Bucket, key: str, holder: str, tag: str, found: Claimed | None, renew: float) -> None:
        self._bucket = bucket
        self._key = key
        self._holder = holder
        self._tag = tag
        self._claimed = found
        self._lock = threading.Lock()
        self._renew = renew
        self._timer: threading.Timer | None = None
        self._is_held = True
        self._plan()

    def read(self) -> Claimed | None:
        return self._claimed

    def write(self, claimed: Claimed) -> None:
        with self._lock:
            try:
                self._change(claimed)
            except Conflict as error:
                self._is_held = False
                raise ClaimBusy("This process was silent for so long that another has the key") from error

    def clear(self) -> None:
        with self._lock, contextlib.suppress(Conflict):
            self._change(None)

    def release(self) -> None:
        with self._lock:
            is_held, self._is_held = self._is_held, False
            if self._timer:
                self._timer.cancel()
            if is_held and self._claimed is None:
                with contextlib.suppress(Conflict):  # another's by now
                    self._change(None)  # which nobody takes for dead at once
                    self._bucket.delete([self._key])

    def _change(self, claimed: Claimed | None) -> None:
        """Raises Conflict if it is another's by now. A change of ours whose answer was lost may have been made."""
        try:
            self._tag = self._bucket.swap(self._key, content(claimed, self._holder), self._tag)
        except Conflict:
            there = self._there()
            if there is None or _holder(there) != self._holder:
                raise
            self._tag = self._bucket.swap(self._key, content(claimed, self._holder), there.tag)
        self._claimed = claimed

    def _there(self) -> Content | None:
        try:
            return self._bucket.get(self._key)
        except FileNotFoundError:
            return None

    def _plan(self) -> None:
        self._timer = threading.Timer(self._renew, self._keep)
        self._timer.daemon = True
        self._timer.start()

    def _keep(self) -> None:
        with self._lock:
            if not self._is_held:
                return
            try:
                self._change(self._claimed)
            except Conflict:
                log.warning("An idempotency key was taken by another process, as this one was silent for too long")
                self._is_held = False
                return
            except OSError as error:
                log.warning("An idempotency key could not be kept: %s", error)
            self._plan()


class ObjectClaims:
    """See Claims. has_job: whether a job is there. dead: seconds."""

    def __init__(self, bucket: Bucket, has_job: Callable[[str], bool], dead: float = DEAD) -> None:
        self._bucket = bucket
        self._has_job = has_job
        self._dead = dead
        self._still: dict[str, tuple[str, float]] = {}  # tag and since when it was seen, by key, in monotonic seconds
        self._unswept: list[str] = []

    def read(self, *key: str) -> Claimed | None:
        try:
            return standing(self._bucket.get(_name(key)))
        except FileNotFoundError:
            return None

    def hold(self, *key: str, patience: float = 0.0) -> ObjectClaim:
        name, deadline = _name(key), time.monotonic() + patience
        while True:
            with contextlib.suppress(Conflict, FileNotFoundError):  # it changed between two requests
                if claim := self._try_hold(name):
                    return claim
            if time.monotonic() >= deadline:
                raise ClaimBusy
            time.sleep(LOOK_AGAIN)

    def sweep(self, has_job: Callable[[str], bool], seconds: float = float("inf")) -> None:
        deadline = time.monotonic() + FAR * seconds
        self._unswept = self._unswept or self._listed()
        while self._unswept and time.monotonic() < deadline:
            name = self._unswept.pop()
            with contextlib.suppress(Conflict, FileNotFoundError, RecordUnreadable):  # newer versions' are kept
                there = self._bucket.get(name)
                if not counts(standing(there), has_job) and self._is_dead(name, there):
                    self._bucket.swap(name, content(None), there.tag)  # nobody has taken it since
                    self._bucket.delete([name])
                    self._still.pop(name, None)

    def _listed(self) -> list[str]:
        names = [FOLDER + entry.name for entry in self._bucket.list(FOLDER)]
        known = self._still
        self._still = {name: known[name] for name in names if name in known}  # others may have swept the rest
        return names

    def _try_hold(self, name: str) -> ObjectClaim | None:
        """Raises Conflict or FileNotFoundError if others are at it."""
        holder = uuid4().hex
        try:
            return self._claim(name, holder, self._bucket.create(name, content(None, holder)), None)
        except Conflict:
            there = self._bucket.get(name)
        found = standing(there)
        if not counts(found, self._has_job) and not self._is_dead(name, there):
            return None
        return self._claim(name, holder, self._bucket.swap(name, content(found, holder), there.tag), found)

    def _claim(self, name: str, holder: str, tag: str, found: Claimed | None) -> ObjectClaim:
        self._still.pop(name, None)
        return ObjectClaim(self._bucket, name, holder, tag, found, self._dead / 4)

    def _is_dead(self, name: str, there: Content) -> bool:
        """Whether whoever held it has been silent for as long as no living process is."""
        tag, since = self._still.get(name, ("", 0.0))
        if tag != there.tag:
            self._still[name] = there.tag, time.monotonic()
            return False
        return time.monotonic() - since >= self._dead


def content(claimed: Claimed | None, holder: str = "") -> bytes:
    """Like no other's, as `Bucket.create` wants it. holder: the name of whoever holds it."""
    record = CLAIM.write(claimed or Claimed("", ""))
    return encoded({**record, "turn": f"{holder}.{uuid4().hex}"})


def _holder(there: Content) -> str:
    try:
        return str(json.loads(there.data)["turn"]).partition(".")[0]
    except (ValueError, KeyError, TypeError):
        return ""


def standing(there: Content) -> Claimed | None:
    """What a claim stands for. Raises RecordUnreadable as `Claims.read` does."""
    claimed = parsed(there.data)
    return claimed if claimed and claimed.job_id else None


def _name(key: tuple[str, ...]) -> str:
    return FOLDER + hashlib.sha256(json.dumps(key).encode()).hexdigest()
