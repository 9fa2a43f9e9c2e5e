"""`store copy`: from a data directory to an object store, or the other way round, or between two of a kind."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from redis.exceptions import RedisError

from scripts.fleet.roles import Roles
from scripts.service.config import ServiceConfig
from scripts.service.pid_file import PidFile
from worker.fleet.store_note import is_served
from worker.runtime.connection import connect_briefly
from worker.store.copying.local_shelf import LocalShelf
from worker.store.copying.shelf import Shelf
from worker.store.copying.store_copy import Copied, StoreCopy
from worker.store.errors import StoreUnfit
from worker.store.factory import bucket_at

EVERY = 5.0  # seconds between two words of how far it is
SHOWN = 20  # jobs that could not be copied


def copy_store(service: ServiceConfig, source: str, target: str) -> int:
    """source, target: directories, or s3://bucket/prefix with the keys of the settings."""
    try:
        if "://" not in source and not (Path(source) / "jobs").is_dir():
            print(f"{source} has no jobs: it is no data directory.", file=sys.stderr)
            return 1
        from_, to = _open(service, source), _open(service, target)
        if from_.id == to.id:
            print(f"{source} and {target} are the same store.", file=sys.stderr)
            return 1
        if user := _user(service, to):
            print(
                f"{target} is in use by {user}. Stop that first: a store is copied to while it rests.", file=sys.stderr
            )
            return 1
        if user := _user(service, from_):
            print(
                f"{source} is in use by {user}: jobs that go on are copied as they are now. Before another service "
                "takes over, stop it and run this again, which copies what has changed.",
                file=sys.stderr,
            )
        return _report(StoreCopy(from_, to, _Progress()).run())
    except (StoreUnfit, OSError) as error:
        print(f"{error}\nThe same command goes on where it was.", file=sys.stderr)
        return 1


def _open(service: ServiceConfig, place: str) -> Shelf:
    if "://" not in place:
        return LocalShelf(Path(place))
    bucket = bucket_at(place, service.worker.store_config)
    from worker.store.copying.object_shelf import ObjectShelf  # not before: its client may be missing

    return ObjectShelf(bucket, place)


def _user(service: ServiceConfig, shelf: Shelf) -> str | None:
    """Who serves the store, as far as can be seen from here: on this machine, or on the Redis of the settings."""
    is_ours = shelf.place == (service.worker.store or str(service.worker.data_dir.resolve()))
    files = [part.pid_file for part in service.parts_here()] if is_ours else []
    if "://" not in shelf.place:
        worker = service.worker.model_copy(update={"data_dir": Path(shelf.place)})
        files.append(replace(service, worker=worker, roles=Roles()).pid_file)
    if holder := next(filter(None, (PidFile(file).holder() for file in files)), None):
        return f"the service on this machine (pid {holder.pid})"
    if service.worker.redis_url:
        try:
            with connect_briefly(service.worker.redis_url) as redis:
                if is_served(redis, shelf.id):
                    return "a service on the Redis at WHISPER_REDIS_URL"
        except RedisError:
            return None
    return None


class _Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, done: Copied) -> None:
        if time.monotonic() - self._told_at >= EVERY:
            self._told_at = time.monotonic()
            print(f"{done.copied} jobs copied, {done.were_there} were there", file=sys.stderr)


def _report(done: Copied) -> int:
    print(
        f"{done.copied} jobs copied ({done.bytes / 1e6:.1f} MB), {done.were_there} were there already, "
        f"{done.claims} idempotency keys, {len(done.failed)} jobs failed."
    )
    for job_id, why in list(done.failed.items())[:SHOWN]:
        print(f"  {job_id}: {why}", file=sys.stderr)
    return 1 if done.failed else 0
