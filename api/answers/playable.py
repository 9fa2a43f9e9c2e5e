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
from contextlib import ExitStack
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

    async def has(self, job_id: str, track: int, owner: str) -> bool:
        """Whether there is a copy of an ended job's recording; else that plays well itself, or nothing better can be
        made. track: the one that was transcribed, from 1. Waits until it is made. Raises JobNotFound."""
        size = await run_in_threadpool(self._store.playable_size, job_id)
        if size is None and await run_in_threadpool(self._has_room, job_id):
            if job_id not in self._making:
                self._making[job_id] = asyncio.create_task(self._make(job_id, track, owner))
            await asyncio.shield(self._making[job_id])
            size = await run_in_threadpool(self._store.playable_size, job_id)
        return bool(size)

    async def stop(self) -> None:
        for task in list(self._making.values()):
            task.cancel()
        if self._making:
            await asyncio.wait(self._making.values())

    async def _make(self, job_id: str, track: int, owner: str) -> None:
        target = self._store.playable_target(job_id)
        try:
            async with self._turns[owner]:  # nobody waits for another's hundred recordings
                status = await self._run(job_id, target, track)
            if status == UNFIT or (status < 0 and status not in _STOPPED):  # of no use to try again
                log.info("There is no better copy of the recording of %s to play (status %d)", job_id, status)
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    await run_in_threadpool(target.touch, 0o600)
            elif status:
                return
            await run_in_threadpool(self._keep, job_id)
        except FileNotFoundError:
            log.info("The recording of %s was deleted before a copy of it was made", job_id)
        finally:
            del self._making[job_id]

    def _keep(self, job_id: str) -> None:
        """Whoever listens to an older one that is dropped goes on, and has it made again with the next request."""
        self._store.keep_playable(job_id)
        self._store.bound_playables(MAX_BYTES)

    async def _run(self, job_id: str, target: Path, track: int) -> int:
        with ExitStack() as held:
            source = await run_in_threadpool(held.enter_context, self._store.local_source(job_id))
            return await _run(source, target, track)

    def _has_room(self, job_id: str) -> bool:
        size = self._store.source_size(job_id)
        return size is not None and self._store.free_bytes() - size >= self._min_free


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
