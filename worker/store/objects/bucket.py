"""A bucket, or a part of it, by the few calls that the store makes of it; each is one request, but for large objects.

obstore's errors become OSErrors here, so that whoever can go on after a failed disk can go on after this.
"""

from __future__ import annotations

import errno
import itertools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError
from obstore.store import from_url

from worker.store.errors import StoreUnavailable, StoreUnfit

if TYPE_CHECKING:
    from obstore.store import ObjectStore as AnyStore

SUM = "sha256"  # an attribute of recordings, in hexadecimal digits
STORE_ID = "store.id"
PAGE = 1000  # objects
TRIES = 3  # again, of a request that failed for no fault of its own
PATIENCE = timedelta(seconds=20)  # for a request and its repetitions: less than a lease, so that a run hears of it
STALL = timedelta(seconds=60)  # without a byte of a recording, however long the whole of it takes
BROKEN_OFF = 60.0  # seconds after which one that is at a change of some requests was killed
ANY_TIME = timedelta(days=1)  # more than any recording takes

_ENDPOINT = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:(?P<port>\d{1,5}))?(/[!-~]*)?", re.ASCII)


_CODE = re.compile(r"<Code>(\w+)</Code>")
_MEANT = {
    "NoSuchBucket": "the bucket in WHISPER_STORE is not there; make it first",
    "InvalidAccessKeyId": "it knows no such AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not that of AWS_ACCESS_KEY_ID",
    "RequestTimeTooSkewed": "this machine's clock is more than a quarter of an hour off, and the store trusts no "
    "signature then; set it",
    "AccessDenied": "the key may not read and write there, or the bucket in WHISPER_STORE is another's",
}


class Conflict(Exception):
    """There is such an object already, or it was changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as it is listed. name: its key without what it was listed by. changed_at: unix seconds by the store's
    own clock."""

    name: str
    size: int
    changed_at: float


@dataclass(frozen=True, slots=True)
class Content:
    """tag: of this version, for `swap`."""

    data: bytes
    tag: str


class Bucket:
    """May be used from any thread. calls: how many requests there were."""

    def __init__(self, store: AnyStore, recordings: AnyStore | None = None) -> None:
        """recordings: the same store by a client that waits for large objects."""
        self._store: Any = store
        self._recordings: Any = recordings or store
        self.calls = 0

    @classmethod
    def at(cls, url: str, **config: str) -> Bucket:
        """url: s3://bucket/prefix. config: endpoint, access_key_id, secret_access_key, region; of what is not said the
        environment decides. Raises StoreUnfit for what is no such address."""
        _check_config(config)
        try:
            return cls(_client(url, config, PATIENCE, PATIENCE), _client(url, config, ANY_TIME, STALL))
        except (BaseError, ValueError, TypeError) as error:
            raise StoreUnfit(f"The store '{url}' cannot be used: {_first_line(error)}") from error

    def get(self, key: str) -> Content:
        """Raises FileNotFoundError."""
        with self._asking():
            found = obstore.get(self._store, key)
            return Content(bytes(found.bytes()), found.meta["e_tag"] or "")

    def download(self, key: str, target: Path) -> str:
        """Into a file; returns the sum that the object has as an attribute, or nothing. Raises FileNotFoundError."""
        with self._asking():
            found = obstore.get(self._recordings, key)
            with open(target, "wb") as file:
                for chunk in found.stream(min_chunk_size=1024 * 1024):
                    file.write(chunk)
            return str(found.attributes.get(SUM, ""))

    def entry(self, key: str) -> Entry | None:
        with self._asking():
            try:
                meta = obstore.head(self._store, key)
            except FileNotFoundError:
                return None
            return Entry(key, meta["size"], meta["last_modified"].timestamp())

    def put(self, key: str, data: bytes) -> None:
        """In one step, whatever there was."""
        with self._asking():
            obstore.put(self._store, key, data, use_multipart=False)

    def upload(self, key: str, path: Path, digest: str) -> None:
        """A file, as `put`; a large one in parts. digest: its SHA-256."""
        with self._asking():
            obstore.put(self._recordings, key, path, attributes={SUM: digest})

    def create(self, key: str, data: bytes) -> str:
        """Returns the new object's tag; raises Conflict if there was one. data: like no other's, so that if it is there
        already, it was a repeated request whose first answer was lost."""
        return self._put_if(key, data, "create", AlreadyExistsError)

    def swap(self, key: str, data: bytes, tag: str) -> str:
        """Puts it in the place of the version with this tag, and returns the new tag. Raises Conflict. data: as for
        `create`."""
        return self._put_if(key, data, {"e_tag": tag}, AlreadyExistsError, PreconditionError, FileNotFoundError)

    def _put_if(self, key: str, data: bytes, mode: Any, *refusals: type[Exception]) -> str:
        with self._asking():
            try:
                return obstore.put(self._store, key, data, mode=mode, use_multipart=False)["e_tag"] or ""
            except refusals as error:
                conflict = error
        try:
            there = self.get(key)
        except FileNotFoundError:
            raise Conflict(key) from conflict
        if there.data != data:
            raise Conflict(key) from conflict
        return there.tag

    def copy(self, key: str, target: str) -> None:
        """Within the store. Raises FileNotFoundError."""
        with self._asking():
            obstore.copy(self._recordings, key, target)

    def delete(self, keys: Sequence[str]) -> None:
        """Those that are there."""
        if keys:
            with self._asking():
                obstore.delete(self._store, list(keys))

    def list(self, folder: str, after: str = "") -> Iterator[Entry]:
        """All objects below it, in the order of their names. folder: ends with a slash. after: a name in it, from which
        on they are wanted."""
        with self._asking():
            pages = obstore.list(self._store, folder, offset=folder + after if after else None, chunk_size=PAGE)
        more = 0  # requests for the next page
        while True:
            with self._asking(count=more):
                page = next(pages, None)
            if page is None:
                return
            more = len(page) // PAGE
            for meta in page:
                yield Entry(meta["path"].removeprefix(folder), meta["size"], meta["last_modified"].timestamp())

    def page(self, folder: str, after: str = "") -> tuple[Sequence[Entry], bool]:
        """As `list`, as many as one request brings, and whether there may be more."""
        entries = tuple(itertools.islice(self.list(folder, after), PAGE))
        return entries, len(entries) == PAGE

    def is_older(self, key: str, seconds: float) -> bool:
        """Than that, or gone."""
        entry = self.entry(key)
        return entry is None or entry.changed_at < self.now() - seconds

    def now(self) -> float:
        """Unix seconds by the store's clock."""
        key = f"probe/{uuid4().hex}"
        self.put(key, b"")
        entry = self.entry(key)
        self.delete([key])
        return entry.changed_at if entry else time.time()

    @contextmanager
    def _asking(self, count: int = 1) -> Iterator[None]:
        self.calls += count
        try:
            yield
        except PermissionDeniedError as error:
            raise StoreUnavailable(errno.EROFS, f"The store refuses it: {_said(error)}") from error
        except BaseError as error:
            raise StoreUnavailable(errno.EIO, f"The store does not answer as it should: {_said(error)}") from error


def _client(url: str, config: Mapping[str, str], whole: timedelta, stall: timedelta) -> AnyStore:
    """whole: for a request with its answer; stall: without a byte of that."""
    allow_http = config.get("endpoint", "").startswith("http://")
    options = {"timeout": whole, "read_timeout": stall, "connect_timeout": "5s", "allow_http": allow_http}
    retries = {"max_retries": TRIES, "retry_timeout": PATIENCE}
    return from_url(url, config=config, retry_config=retries, client_options=options)  # type: ignore[call-overload, no-any-return]  # one of the stores that the scheme tells


def _check_config(config: Mapping[str, str]) -> None:
    """What would break off the client at its first request instead of raising an error. Raises StoreUnfit."""
    for name, value in config.items():
        if not value.isprintable():
            raise StoreUnfit(f"What is set for the store's {name} holds a character that cannot be printed.")
    endpoint = config.get("endpoint") or "https://store"
    found = _ENDPOINT.fullmatch(endpoint)
    if not found or int(found["port"] or 0) > 65535:
        raise StoreUnfit(
            "The address of the store (AWS_ENDPOINT_URL) is not of the form https://host:port. Keys belong in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )


def store_id(bucket: Bucket) -> str:
    """Which store this is; the first to ask gives it its name."""
    try:
        return bucket.get(STORE_ID).data.decode()
    except FileNotFoundError:
        with suppress(Conflict):
            bucket.create(STORE_ID, uuid4().hex.encode())
        return bucket.get(STORE_ID).data.decode()


def check(bucket: Bucket) -> None:
    """Tries what all promises rest on: of two that create a key one must be refused. Raises StoreUnfit, or OSError if
    the store cannot be reached."""
    key = f"probe/{uuid4().hex}"
    tag = bucket.create(key, b"first")
    try:
        if _is_taken(lambda: bucket.create(key, b"second")) or _is_taken(lambda: bucket.swap(key, b"third", '"stale"')):
            raise StoreUnfit(
                "The store ignores conditions on writing (If-None-Match, If-Match): two workers could end one job. Use "
                "one that honours them, as AWS S3, SeaweedFS, MinIO and Cloudflare R2 do, or update it."
            )
        bucket.swap(key, b"third", tag)
    except Conflict as error:
        raise StoreUnfit("The store refuses a change (If-Match) that is right. Update it, or use another.") from error
    finally:
        bucket.delete([key])


def _is_taken(write: Any) -> bool:
    try:
        write()
        return True
    except Conflict:
        return False


def _said(error: BaseException) -> str:
    """S3's own code, which stands in the document of its answer, and what to do about it; or the client's words."""
    if not (found := _CODE.search(str(error))):
        return _first_line(error)
    code = found[1]
    return f"{code}: {_MEANT[code]}" if code in _MEANT else code


def _first_line(error: BaseException) -> str:
    """What obstore says first; behind it stands how its own types nest."""
    return next(iter(str(error).partition("<?xml")[0].splitlines()), type(error).__name__)[:300]
