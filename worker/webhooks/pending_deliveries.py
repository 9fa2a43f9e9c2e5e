"""What is owed by all jobs together, read from the store; what is settled is read once."""

from __future__ import annotations

import logging
from collections.abc import Callable

from worker.store.index.job_index import Seen
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.webhooks.outbox import Delivery, Outbox

log = logging.getLogger(__name__)


class PendingDeliveries:
    """For one reader: it remembers what it has seen."""

    def __init__(self, store: JobStore, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox
        self._settled: dict[str, str] = {}  # the job's stamp when its delivery was settled

    def owed(self, go_on: Callable[[], None] = lambda: None) -> dict[str, float]:
        """When each pending webhook is due, in unix seconds, by job. go_on: called before each look at a job."""
        owed: dict[str, float] = {}
        seen = list(self._store.catalog.owing())
        for one in seen:
            go_on()
            try:
                delivery = self._delivery(one)
            except JobNotFound:
                continue
            except (OSError, RecordBroken) as error:  # one unreadable record must not hide the others
                log.warning("Whether %s owes a webhook cannot be read: %s", one.id, error)
                continue
            if delivery is not None and delivery.next_at is not None:
                owed[one.id] = delivery.next_at
        self._settled = {one.id: self._settled[one.id] for one in seen if one.id in self._settled}
        return owed

    def _delivery(self, seen: Seen) -> Delivery | None:
        """None if nothing is owed, or nothing has changed since it was settled."""
        stamp = self._stamp(seen)  # before the look: what comes after it is looked at the next time
        if self._settled.get(seen.id) == stamp:
            self._store.index.settled(seen)
            return None
        request = self._store.request(seen.id)
        delivery = self._outbox.delivery(request)
        if request.webhook is None:
            self._store.index.settled(seen)
        elif delivery is not None and delivery.is_settled:
            self._settled[seen.id] = stamp
            self._store.index.settled(seen)
        return delivery

    def _stamp(self, seen: Seen) -> str:
        """Another one after each line of its deliveries. A list of objects has it; a file is asked."""
        return seen.stamp if seen.stamp is not None else str(len(self._store.deliveries(seen.id)))
