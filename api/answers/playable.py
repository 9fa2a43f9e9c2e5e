"""Copies of recordings that browsers play well, each made by a program of its own, one of an owner's at a time. Only so
many bytes of them are kept, as they can be made again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path

from starlette.concurrency import run_in_threadpool

import engines
from worker.store.job_store import JobStore

PROGRAM = "engines.audio.playable"
PATIENCE = 900.0  # seconds until it is killed; it bounds its processor time itself
MAX_BYTES = 20 * 2**30  # of all copies: some 450 hours in AAC; the oldest go first
UNFIT = 65  # its exit status if nothing can be made of the recording
_STOPPED = (-signal.SIGINT, -signal.SIGTERM)  # … and if it was ended together with the service

log = logging.getLogger(__name__)


class PlayableCopies:
    """min_free: bytes that stay free on the disk."""

    def __init__(self, store: JobStore, min_free: int) -> None:
        self._store = store
        self._min_free = min_free
        self._making: dict[str, asyncio.Task[None]] = {}
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(1))

    async def of(self, job_id: str, track: int, owner: str) -> Path:
        """The copy of an ended job's recording, or the recording itself if that plays well or nothing better can be
        made. track: the one that was transcribed, from 1. Waits until it is made. Raises JobNotFound."""
        copy = self._store.playable(job_id)
        if not await run_in_threadpool(copy.exists) and await run_in_threadpool(self._has_room, job_id):
            if job_id not in self._making:
                self._making[job_id] = asyncio.create_task(self._make(job_id, copy, track, owner))
            await asyncio.shield(self._making[job_id])
        return copy if await run_in_threadpool(_has_content, copy) else self._store.source(job_id)

    async def stop(self) -> None:
        for task in list(self._making.values()):
            task.cancel()
        if self._making:
            await asyncio.wait(self._making.values())

    async def _make(self, job_id: str, copy: Path, track: int, owner: str) -> None:
        try:
            async with self._turns[owner]:  # nobody waits for another's hundred recordings
                status = await _run(self._store.source(job_id), copy, track)
            if status == UNFIT or (status < 0 and status not in _STOPPED):  # of no use to try again
                log.info("There is no better copy of the recording of %s to play (status %d)", job_id, status)
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    await run_in_threadpool(copy.touch, 0o600)
            elif status == 0:
                await run_in_threadpool(self._drop_oldest)
        finally:
            del self._making[job_id]

    def _drop_oldest(self) -> None:
        """Whoever listens to one goes on, and has it made again with the next request."""
        found = []
        for job_id in self._store.ids():
            with contextlib.suppress(OSError):  # most have none
                copy = self._store.playable(job_id)
                status = copy.stat()
                found.append((status.st_mtime_ns, status.st_size, copy))
        total = sum(size for _, size, _ in found)
        for _, size, copy in sorted(found):
            if total <= MAX_BYTES:
                return
            with contextlib.suppress(OSError):  # open on Windows
                copy.unlink()
                total -= size

    def _has_room(self, job_id: str) -> bool:
        try:
            size = self._store.source(job_id).stat().st_size
        except FileNotFoundError:
            return False
        return self._store.free_bytes() - size >= self._min_free


async def _run(source: Path, copy: Path, track: int) -> int:
    """The program's exit status; 124 if it took too long."""
    env = {**os.environ, "PYTHONPATH": str(Path(engines.__file__).parents[1])}
    paths = (str(source.absolute()), str(copy.absolute()))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", PROGRAM, *paths, str(track),
        env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            return await process.wait()
    except TimeoutError:
        return 124
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        copy.with_name(f"{copy.name}.{process.pid}.part").unlink(missing_ok=True)  # of one that was killed


def _has_content(copy: Path) -> bool:
    try:
        return copy.stat().st_size > 0
    except FileNotFoundError:
        return False
