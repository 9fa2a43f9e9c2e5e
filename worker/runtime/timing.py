"""Every duration whose value or order is part of a promise, in one object that is made at start and passed down.

WHISPER_TIME_SCALE ─► WorkerSettings.timing ─► worker, webhooks, api, supervisor

What is not here has no order to keep: how often a loop looks at a flag, how long a library may take to answer, and what
users set themselves (WHISPER_SYNC_TIMEOUT, WHISPER_PASS_TIMEOUT, WHISPER_WEBHOOK_SCHEDULE …).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


def _scaled(seconds: float, *, least: float = 0.0) -> Any:
    """A duration of the service's own making. least: what it is never scaled below."""
    return field(default=seconds, metadata={"least": least})


def _fixed(seconds: float) -> Any:
    """A duration that is somebody else's: a client's, a reader's, the network's."""
    return field(default=seconds, metadata={"least": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds. Raises ValueError naming the rule that is broken.

    Floors: a process that shares its machine may be held up for a second or two, which must not pass for its death; RQ
    counts leases and blocks in whole seconds; the end of a process takes time that no setting shortens.
    """

    # Who is alive, and who has which job
    beat: float = _scaled(5.0, least=0.1)  # between two heartbeats of a worker, and between two renewals of a lease
    presence: float = _scaled(15.0, least=3.0)  # without a beat, after which a worker counts as gone
    lease: float = _scaled(30.0, least=3.0)  # without a renewal, after which a job counts as abandoned
    confirm: float = _scaled(6.0, least=1.0)  # an expired lease gets: after a jump of a clock its worker renews it
    stranded: float = _scaled(15.0, least=2.0)  # a job may be on its way from queue to slot; it takes milliseconds
    same_engine: float = _scaled(60.0, least=1.0)  # a job waits for the engine that began it, if that is there
    unmet: float = _scaled(60.0, least=5.0)  # jobs wait for a worker that meets their need, which may be starting anew
    idle_look: float = _scaled(10.0, least=2.0)  # a slot's blocking read of its queue
    make_way: float = _scaled(10.0, least=1.5)  # others have to hand their jobs back before one is tried alone
    feed_block: float = _scaled(2.0, least=0.1)  # a blocking read of the feed
    redis_silence: float = _fixed(30.0)  # of Redis, after which a worker's connection counts as lost
    redis_answer: float = _fixed(4.0)  # may take, and a client is answered 503 within 5 s
    redis_hung: float = _scaled(60.0, least=6.0)  # without a word of our own Redis, after which it is killed

    # The end of the service, from the inside out
    hand_back: float = _scaled(8.0, least=1.0)  # the windows in hand may take when a job is handed back: about one pass
    drain: float = _scaled(8.5, least=1.5)  # the slots of a stopping worker have to let go of their jobs
    last_resort: float = _scaled(9.5, least=2.0)  # after which a worker that was asked to stop ends itself
    api_stop: float = _scaled(5.0, least=1.0)  # answers under way have when the API stops
    webhooks_stop: float = _scaled(5.0, least=1.0)  # calls under way have when the sender stops
    grace: float = _scaled(10.0, least=2.5)  # between asking a process to stop and killing it
    stop: float = _scaled(40.0, least=10.0)  # `stop` waits for the supervisor, which ends one child after the other

    # Children that die
    restart_first: float = _scaled(0.5)  # before a child is started again; twice as long each time …
    restart_killed: float = _scaled(4.0)  # … up to this, if it was killed: all the others want a worker back …
    restart_longest: float = _scaled(30.0)  # … or up to this, if it left by itself
    proven: float = _scaled(60.0, least=5.0)  # of life, after which a death counts as the first again
    spawn_retry: float = _scaled(4.0)  # until a child is started for which the system had no memory or no files

    # Keeping store and Redis in step
    maintenance: float = _scaled(3.0, least=0.2)  # between two rounds
    maintenance_lock: float = _scaled(60.0, least=10.0)  # a holder that was killed keeps others out
    takeover_lock: float = _scaled(15.0, least=1.5)  # … and from what must not wait: it takes milliseconds
    tidy: float = _scaled(15.0, least=1.0)  # between two looks at RQ's lists of what has ended and of slots
    reconcile: float = _scaled(60.0, least=2.0)  # between two looks at all jobs
    second_look: float = _scaled(5.0, least=0.5)  # a new job may be on its way into its queue; it takes milliseconds
    settle: float = _scaled(10.0, least=1.5)  # running jobs have to renew their leases in a Redis that came back empty

    # The index of the jobs
    index_look: float = _scaled(2.0, least=0.2)  # between two looks whether it is there, and whether anybody keeps it
    index_remake: float = _scaled(30.0, least=1.0)  # after it was made, before it is made again
    index_scan: float = _fixed(3600.0)  # between two comparisons with all directories

    # Jobs that trouble which is not theirs puts aside
    retry_first: float = _scaled(5.0, least=0.2)  # until a job is tried again; twice as long each time …
    retry_longest: float = _scaled(600.0, least=1.0)  # … up to this …
    retry_period: float = _scaled(3600.0, least=2.0)  # … until the pauses come to this: the next failure is its end
    unserved: float = _scaled(24 * 3600.0, least=3.0)  # a job waits for a model that is served no more

    # What is kept, beside what users set
    answered: float = _fixed(600.0)  # a synchronous job's record stays after its answer
    unanswered: float = _fixed(24 * 3600.0)  # … and stays if its client never came back for it
    repeatable: float = _fixed(600.0)  # a result that nobody had yet answers the same request after its end
    overdue: float = _fixed(7 * 24 * 3600.0)  # a job stays for a webhook that nobody sends; the sender must be gone
    damaged: float = _fixed(300.0)  # between two looks that find a record damaged, before its job is set aside
    partial: float = _fixed(3600.0)  # an upload may stand still before it is swept; its client was given up long ago

    # Clients
    abandon: float = _scaled(30.0)  # a job outlives the last client that waited for it
    job_look: float = _scaled(10.0)  # until a client's job is looked at though nothing was told: Redis may be read-only
    ping: float = _scaled(10.0)  # of silence, after which a reader of events is told that the line is alive
    positions: float = _scaled(1.0, least=0.1)  # after a queue moved, until whoever follows all jobs is told positions
    place: float = _scaled(10.0)  # an upload waits, unread, for a place among those that are read
    repeat: float = _scaled(10.0)  # to wait for the same request that becomes a job this moment; it takes milliseconds
    names: float = _fixed(3.0)  # a name server may take; after that a webhook's URL is checked when it is called
    backlog: float = _scaled(2.0)  # a look at the queue's jobs is good for; what is admitted meanwhile is added
    head: float = _scaled(60.0)  # the head of a request has to arrive
    keep_alive: float = _fixed(75.0)  # an idle connection is kept: longer than proxies do, so that they close it

    # Webhooks
    webhook_claim: float = _scaled(15.0, least=2.0)  # a dead sender's calls stay its own; renewed while it lives
    webhook_renew: float = _scaled(5.0)  # between two renewals
    webhook_look: float = _scaled(5.0)  # the sender sleeps at most
    webhook_scan: float = _scaled(60.0, least=2.0)  # between two readings of the whole store
    webhook_scan_lock: float = _scaled(60.0, least=10.0)  # a reader that was killed keeps others from it
    webhook_crowded: float = _scaled(1.0, least=0.2)  # until a job is looked at again whose host has its share of calls

    def __post_init__(self) -> None:
        for shorter, longer, why in _RULES:
            names = shorter.split(" + ")
            total = sum(getattr(self, name) for name in names)
            if total >= getattr(self, longer):
                raise ValueError(
                    f"{shorter} ({total:g} s) must be shorter than {longer} ({getattr(self, longer):g} s): {why}"
                )
        if any(getattr(self, each.name) <= 0 for each in fields(self)):
            raise ValueError("a duration must be longer than 0 s: 0 means for ever to Redis")

    def scaled(self, factor: float) -> Timing:
        """Everything of the service's own making times `factor`, no shorter than its floor. For tests: all rules hold,
        so what is promised in seconds here is kept in proportion. factor: above 0, at most 1."""
        if not 0 < factor <= 1:
            raise ValueError(f"{factor:g} is no scale: it must be above 0 and at most 1")
        return Timing(**{each.name: _times(getattr(self, each.name), factor, each.metadata) for each in fields(self)})

    @property
    def takeover(self) -> float:
        """Seconds after the last beat of a silent worker by which its job waits for another: the lease runs out, a
        round of maintenance sees it, and another sees it again once it is confirmed."""
        return self.lease + self.confirm + 2 * self.maintenance


def _times(seconds: float, factor: float, metadata: Any) -> float:
    least = metadata["least"]
    return seconds if least is None else max(seconds * factor, min(seconds, least))


# What must be shorter than what, and why.
_RULES = (
    ("beat + beat", "presence", "one beat may be lost without the worker counting as gone"),
    ("beat + beat + beat", "lease", "two renewals may be lost without the job being taken away"),
    ("presence", "unmet", "a worker that is started again finds the jobs of its models where they were"),
    ("beat", "confirm", "a live worker renews an expired lease before it is taken away"),
    ("beat", "settle", "running jobs renew their leases before an emptied Redis is filled again"),
    ("confirm", "lease", "confirming is a second look, not another lease"),
    ("idle_look", "redis_silence", "a read that blocks is no lost connection"),
    ("redis_answer", "redis_silence", "a worker waits longer for Redis than a client does"),
    ("redis_answer", "redis_hung", "an answer that is late is no hanging"),
    ("hand_back", "make_way", "others hand their jobs back before one is tried alone"),
    ("hand_back", "drain", "a stopping worker waits for the windows in hand"),
    ("drain", "last_resort", "what is left is handed back before the worker ends itself"),
    ("last_resort", "grace", "a worker ends itself before it is killed"),
    ("api_stop", "grace", "the API ends its answers before it is killed"),
    ("webhooks_stop", "grace", "the sender ends its calls before it is killed"),
    ("grace", "stop", "the supervisor ends its children before it is killed"),
    ("restart_first", "restart_killed", "delays grow"),
    ("restart_killed", "restart_longest", "delays grow"),
    ("retry_first", "retry_longest", "pauses grow"),
    ("retry_longest", "retry_period", "a job is tried several times"),
    ("retry_period", "unserved", "a setting takes longer to mend than trouble takes to pass"),
    ("maintenance", "second_look", "a missing job is not looked at again in the same round"),
    ("second_look", "reconcile", "what is missing is looked at sooner than all jobs are"),
    ("maintenance", "maintenance_lock", "a round ends before its lock does"),
    ("maintenance", "takeover_lock", "a round ends before its lock does"),
    ("takeover_lock", "lease", "who was killed as it took over holds up no takeover"),
    ("repeatable", "unanswered", "what answers the same request is still there"),
    ("webhook_renew + webhook_look", "webhook_claim", "a live sender keeps its claims"),
    ("webhook_crowded", "webhook_scan", "jobs of a crowded host do not wait for the next reading of the store"),
)
