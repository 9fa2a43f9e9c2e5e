"""RQ carries jobs from the API to a slot. Only ids travel; the store holds the rest.

interactive, batch  where a job waits, by its priority
fetch               where one waits whose recording is to be fetched from a URL first
alone               where one waits that was running as its worker died: it is tried while nothing else runs
batch:base          … where one waits that not every worker can do, as one found that took it: see worker.fleet.needs
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.registry import CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker_registration import clean_worker_registry

from engines.weights.names import canonical_name
from worker.fleet.clock import Clock
from worker.fleet.engine_wait import EngineWait
from worker.fleet.identity import is_dead
from worker.fleet.needs import kind_of, need_of, special_queues
from worker.queue.leases import Leases
from worker.queue.queued_job import INSERTIONS, JOB_FUNCTION, RECORD_TTL, QueuedJob, cancel, describe, how_far, put_back
from worker.queue.worker_record import remove_dead
from worker.runtime.timing import Timing
from worker.store.records import PRIORITIES, JobRequest, Priority
from worker.telemetry.vitals import ANY_NAME

QueueName = Priority | Literal["fetch", "alone"]
FETCH: Literal["fetch"] = "fetch"
QUARANTINE: Literal["alone"] = "alone"
QUEUES: tuple[QueueName, ...] = (*PRIORITIES, FETCH, QUARANTINE)

DUE_AT_ONCE = 1000  # jobs of each queue; the next round finds the rest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job is to wait: in which queue, by its key in Redis, and before which job; None for its end."""

    key: str
    before: str | None = None


_OF_ENDED = (FinishedJobRegistry, FailedJobRegistry, CanceledJobRegistry)


def _queues_of(request: JobRequest) -> tuple[QueueName, ...]:
    """Where the job may wait: an interactive one that turned out to be long goes on as batch work."""
    of_priority: tuple[QueueName, ...] = ("batch",) if request.priority == "batch" else PRIORITIES
    return (*of_priority, *([FETCH] if request.url else []), QUARANTINE)


class JobQueue:
    """The queues, and who holds which job. is_dead: whether the process of a slot's name is known to be gone.
    shows_names: whether the dashboard, at which every key may look, has the names of the files."""

    def __init__(
        self,
        redis: Redis,
        is_dead: Callable[[str], bool] = is_dead,
        timing: Timing = Timing(),
        clock: Clock = Clock(),
        *,
        shows_names: bool = False,
    ) -> None:
        self._shows_names = shows_names
        self.leases = Leases(redis, QUEUES, timing, clock)
        self._timing = timing
        self.clock = clock
        self._redis = redis
        self._is_dead = is_dead
        self._tidy_at = float("-inf")  # monotonic seconds
        self._on_the_way: dict[str, dict[str, float]] = {}  # since when, by queue and id
        self.engine_wait = EngineWait(redis, timing, clock)
        self._queues: Mapping[QueueName, Queue] = {name: self._queue(name) for name in QUEUES}

        self._aside = [queue.scheduled_job_registry for queue in self._queues.values()]

    def _queue(self, name: str) -> Queue:
        return Queue(name, connection=self._redis, serializer=JSONSerializer, job_class=QueuedJob)

    def _special(self, kinds: Sequence[QueueName] = QUEUES) -> list[Queue]:
        """From which not every worker takes: see worker.fleet.needs."""
        return [self._queue(name) for name in special_queues(self._redis) if kind_of(name) in kinds]

    def _all(self, *kinds: QueueName) -> list[Queue]:
        """The queues of these kinds, or all, the special ones first: what is in them stood before the others."""
        found = kinds or QUEUES
        return [*self._special(found), *(self._queues[name] for name in found)]

    def _queues_for(self, request: JobRequest, *kinds: QueueName) -> list[Queue]:
        """Where the job may wait."""
        names = {request.model.lower(), canonical_name(request.model).lower(), ANY_NAME}
        return [
            queue
            for queue in self._all(*(kinds or _queues_of(request)))
            if (need := need_of(queue.name)) is None or need.engine or need.model.lower() in names
        ]

    def enqueue(self, request: JobRequest) -> None:
        """Puts the job at the end of its queue. What RQ shows of an earlier end is forgotten."""
        with self._redis.pipeline() as pipeline:
            self._push(request, pipeline)
            pipeline.execute()

    def insert(self, request: JobRequest, place_in: Callable[[Redis, Sequence[str]], Place]) -> Place:
        """As `enqueue`, but at the place that is returned. place_in: of the keys of all queues in which such a job may
        wait, the first ones first and its own last; asked again if one of them changes meanwhile."""
        keys = [queue.key for queue in self._queues_for(request, request.priority)]

        def insert(pipeline: Pipeline) -> Place:
            place = place_in(self._redis, keys)
            self._push(request, pipeline)
            if place.before is not None:
                pipeline.lrem(keys[-1], -1, request.id)
                pipeline.linsert(place.key, "BEFORE", place.before, request.id)
                pipeline.incr(INSERTIONS)
            return place

        place: Any = self._redis.transaction(insert, *keys, value_from_callable=True)  # type: ignore[arg-type]
        return place  # type: ignore[no-any-return]  # what `insert` returned

    def _push(self, request: JobRequest, pipeline: Pipeline) -> None:
        pipeline.multi()
        self._erase(request.id, pipeline)
        self._queues[request.priority].enqueue_call(
            JOB_FUNCTION,
            args=(request.id,),
            job_id=request.id,
            timeout=-1,
            result_ttl=RECORD_TTL,
            failure_ttl=RECORD_TTL,
            description=f"{request.owner}: {request.size} bytes, {request.model}",  # no file name: all keys see it
            meta=self._first_facts(request),
            pipeline=pipeline,
        )

    def describe(self, job_id: str, facts: Mapping[str, Any]) -> None:
        """Adds to what the dashboard shows of the job."""
        describe(self._redis, job_id, facts)

    def _first_facts(self, request: JobRequest) -> dict[str, Any]:
        facts = {"model": request.model, "attempts": 0, **how_far(0.0, request.declared_seconds)}
        return {**facts, "file": request.filename} if self._shows_names else facts

    def position(self, request: JobRequest) -> int | None:
        """How many jobs of the same queue run before this one, or None if it does not wait."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for queue in self._queues_for(request):
                pipeline.lpos(queue.key, request.id)
            places: list[Any] = pipeline.execute()
        return next((place for place in places if place is not None), None)

    def withdraw(self, request: JobRequest) -> None:
        """Cancels a waiting job in RQ; a running one is left to its slot, which notices by itself."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for queue in self._queues_for(request):
                pipeline.lrem(queue.key, 1, request.id)
            removed: list[Any] = pipeline.execute()
        if not any(removed) and not self._take_from_aside(request.id):
            return
        with contextlib.suppress(NoSuchJobError), self._redis.pipeline() as pipeline:
            job = QueuedJob.fetch(request.id, connection=self._redis, serializer=JSONSerializer)
            job.origin = kind_of(job.origin)  # the lists of special queues are tidied by nobody
            cancel(job, pipeline)
            pipeline.execute()

    def forget(self, job_id: str) -> None:
        """Removes every trace of the job from RQ."""
        # ValueError: its lease ran out (RQ keeps half of the record then). InvalidJobOperation: the slot that ran the
        # job forgets it this moment too.
        with contextlib.suppress(NoSuchJobError, ValueError, InvalidJobOperation):
            QueuedJob.fetch(job_id, connection=self._redis, serializer=JSONSerializer).delete()
        with self._redis.pipeline() as pipeline:
            self._erase(job_id, pipeline)
            pipeline.execute()
        self._take_from_aside(job_id)

    def _erase(self, job_id: str, pipeline: Pipeline) -> None:
        """The record of a job, that of its end, and its places among the ended ones."""
        pipeline.delete(f"rq:job:{job_id}", f"rq:results:{job_id}")
        for registry in _OF_ENDED:
            for queue in self._queues.values():
                pipeline.zrem(registry(queue=queue).key, job_id)

    def is_put_aside(self, job_id: str) -> bool:
        """Whether the job is to be tried again later."""
        return any(self._redis.zscore(aside.key, job_id) is not None for aside in self._aside)

    def take_due(self, now: float) -> list[str]:
        """The jobs put aside that are due; whoever is given one queues it again. now: unix seconds."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for aside in self._aside:
                pipeline.zrangebyscore(aside.key, 0, int(now), start=0, num=DUE_AT_ONCE)
            due = [job_id.decode() for ids in pipeline.execute() for job_id in ids]
        return [job_id for job_id in due if self._take_from_aside(job_id)]

    def _take_from_aside(self, job_id: str) -> bool:
        taken: list[Any] = [self._redis.zrem(aside.key, job_id) for aside in self._aside]
        return any(taken)

    def live_ids(self) -> set[str]:
        """All jobs RQ has waiting, put aside, just taken by a slot, or running under a lease."""
        found: set[str] = set()
        for queue in self._all():
            found.update(queue.get_job_ids())
            found.update(queue.intermediate_queue.get_job_ids())
        for aside in self._aside:
            found.update(aside.get_job_ids(cleanup=False))
        return found | self.leases.ids()

    def recover_abandoned(self, now: float) -> None:
        """Hands jobs whose worker is dead or silent, or whose slot died before it began, to another slot. Only one
        caller at a time may do this. now: monotonic seconds."""
        self.leases.release_of(self._is_dead)
        self.leases.release_expired(now)
        remove_dead(self._redis, self._is_dead)
        queues = self._all()
        self._put_back_stranded(queues, now)
        if now >= self._tidy_at:
            self._tidy_at = now + self._timing.tidy
            self._tidy(queues)

    def _tidy(self, queues: Sequence[Queue]) -> None:
        """Takes off RQ's lists what is there no more: jobs that ended a day ago, slots that were silent for long."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for queue in self._queues.values():
                for registry in _OF_ENDED:
                    # RQ's own clean-up leaves canceled jobs out, and that of other registries would meddle
                    pipeline.zremrangebyscore(registry(queue=queue).key, 0, self.clock.now())
            pipeline.execute()
        for queue in queues:
            clean_worker_registry(queue)

    def _put_back_stranded(self, queues: Sequence[Queue], now: float) -> None:
        """RQ moves a job to a slot through a list of its own; a slot that dies right then leaves it there."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.lrange(queue.intermediate_queue_key, 0, -1)
            found = [{job_id.decode() for job_id in ids} for ids in pipeline.execute()]
        started = self.leases.ids() if any(found) else set()
        for queue, on_the_way in zip(queues, found, strict=True):
            self._put_back_of(queue, on_the_way, started, now)

    def _put_back_of(self, queue: Queue, on_the_way: set[str], started: set[str], now: float) -> None:
        seen = self._on_the_way.setdefault(queue.name, {})
        for job_id in seen.keys() - on_the_way:
            del seen[job_id]
        for job_id in on_the_way:
            if now - seen.setdefault(job_id, now) < self._timing.stranded:
                continue
            if job_id in started or not QueuedJob.exists(job_id, connection=self._redis):
                queue.intermediate_queue.remove(job_id)
            else:
                put_back(self._redis, queue, job_id)
            del seen[job_id]

    def waits(self, queue: QueueName) -> bool:
        """Whether a job waits for a slot of this queue."""
        return self.length(queue) > 0

    def length(self, queue: QueueName) -> int:
        """How many jobs wait for a slot of this queue, or of one like it from which not every worker takes."""
        return sum(each.count for each in self._all(queue))

    def backlog_length(self, queue: Priority) -> int:
        """How many jobs wait for a slot of this queue, and to be fetched first: of any priority, which a full queue of
        URLs must not hide."""
        return self.length(queue) + self._queues[FETCH].count

    def waiting_ids(self, queue: Priority) -> list[str]:
        """The jobs of this priority that wait for a slot, the next one first, and all that are to be fetched."""
        return [job_id for each in self._all(queue, FETCH) for job_id in each.get_job_ids()]

    def lines(self) -> list[list[str]]:
        """The jobs that wait for a slot, queue by queue, the next one first."""
        return [queue.get_job_ids() for queue in self._all()]

    def ids_by_queue(self) -> dict[QueueName, set[str]]:
        """The jobs that wait for a slot of each queue."""
        found: dict[QueueName, set[str]] = {name: set() for name in QUEUES}
        for queue in self._all():
            found[kind_of(queue.name)].update(queue.get_job_ids())  # type: ignore[index]  # those of QUEUES alone
        return found

    def all_waiting_ids(self) -> set[str]:
        """The jobs that wait for a slot of any queue."""
        return {job_id for queue in self._all() for job_id in queue.get_job_ids()}
