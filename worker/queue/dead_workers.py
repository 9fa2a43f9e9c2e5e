"""What follows from the death of a worker: it is noted in the jobs it had in hand, and they go on with another at once.

worker ends ─► exit code ─► of its own? ─► checkpoint.<n>.crashed in each of its jobs ─► leases released

Whoever is not there to see it notes nothing: a machine without power, a service that is killed as a whole. So what
ended all of them is not charged to a recording; see MAX_STRIKES.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from redis.exceptions import RedisError

from worker.fleet.identity import local_pid, process_of
from worker.queue import heartbeat
from worker.queue.job_queue import QUEUES
from worker.queue.leases import Leases
from worker.runtime.connection import connect_briefly
from worker.runtime.exit_codes import ASKED_TWICE, DRAINED, IDLE
from worker.store.job_store import JobStore
from worker.telemetry.totals import Totals

# Ends that somebody asked for. A worker that was not loaded yet when it was asked dies of the signal.
ASKED_FOR = (0, IDLE, DRAINED, ASKED_TWICE, -signal.SIGTERM, -signal.SIGINT)
KILLED = -9  # SIGKILL, which Windows has no name for

# The whole machine's count, and this container's in versions 2 and 1 of control groups; some cannot be read.
OOM_KILLS = ("/proc/vmstat", "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")

log = logging.getLogger(__name__)


def count_oom_kills(counters: Sequence[str] = OOM_KILLS) -> int:
    """How many processes the Linux kernel has ended for want of memory, each counted once or twice: it is the growth
    that tells. 0 on other systems."""
    return sum(_count(Path(path)) for path in counters)


def _count(path: Path) -> int:
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(row[1]) for row in rows if row[0] == "oom_kill"), 0)


class DeadWorkers:
    """oom_kills: how many processes of this machine the kernel has ended so far for want of memory."""

    def __init__(self, redis_url: str, store: JobStore, oom_kills: Callable[[], int] = count_oom_kills) -> None:
        self._redis_url = redis_url
        self._store = store
        self._count_oom_kills = oom_kills
        self._oom_kills = oom_kills()
        self._totals = Totals()

    def bury(self, pid: int, code: int) -> None:
        """Takes a dead worker's heartbeat and its jobs away at once. It would count as ready, and its jobs as running,
        until both expire. code: of its exit; of a signal, negative."""

        def is_its(slot: str) -> bool:
            return local_pid(process_of(slot)) == pid

        is_out_of_memory = self._have_oom_kills_grown() and code == KILLED
        try:
            with connect_briefly(self._redis_url) as client:
                for worker in heartbeat.workers(client):
                    if local_pid(worker.name) == pid:
                        heartbeat.withdraw(client, worker.name)
                leases = Leases(client, QUEUES)
                if code not in ASKED_FOR:
                    self._note(leases.held_by(is_its), is_out_of_memory)
                leases.release_of(is_its)
                self._totals.add_up(client)
        except RedisError as error:
            log.warning("The dead worker's jobs stay with it until maintenance finds out: %s", error)

    def _have_oom_kills_grown(self) -> bool:
        """Since the last death. If it was for another process, a strike is missed, and the jobs are tried alone."""
        before, self._oom_kills = self._oom_kills, self._count_oom_kills()
        return self._oom_kills > before

    def _note(self, job_ids: Sequence[str], is_out_of_memory: bool) -> None:
        if is_out_of_memory and len(job_ids) > 1:
            log.warning("Memory ran out with %d jobs in hand: each is tried alone, and none is charged.", len(job_ids))
            return
        for job_id in job_ids:
            try:
                self._store.note_crash(job_id)
            except OSError as error:
                log.warning("The crash of %s could not be noted: %s", job_id, error)
