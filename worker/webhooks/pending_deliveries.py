"""What is owed by all jobs together, read from the store; what cannot change is read once."""

from __future__ import annotations

import logging

from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.webhooks.outbox import Delivery, Outbox

log = logging.getLogger(__name__)


class PendingDeliveries:
    """For one reader: it remembers what it has seen."""

    def __init__(self, store: JobStore, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox
        self._silent: set[str] = set()  # jobs that name no receiver, which never changes
        self._settled: dict[str, int] = {}  # bytes of the log with which a delivery was settled

    def owed(self) -> dict[str, float]:
        """When each pending webhook is due, in unix seconds, by job."""
        owed: dict[str, float] = {}
        job_ids = list(self._store.ids())
        for job_id in job_ids:
            try:
                delivery = self._delivery(job_id)
            except JobNotFound:
                continue
            except (OSError, RecordBroken) as error:  # one unreadable record must not hide the others
                log.warning("Whether %s owes a webhook cannot be read: %s", job_id, error)
                continue
            if delivery is not None and delivery.next_at is not None:
                owed[job_id] = delivery.next_at
        self._silent.intersection_update(job_ids)
        self._settled = {job_id: self._settled[job_id] for job_id in job_ids if job_id in self._settled}
        return owed

    def _delivery(self, job_id: str) -> Delivery | None:
        """None if nothing is owed, or nothing has changed since it was settled."""
        if job_id in self._silent:
            return None
        size = len(self._store.deliveries(job_id))
        if self._settled.get(job_id) == size:
            return None
        request = self._store.request(job_id)
        if request.webhook is None:
            self._silent.add(job_id)
            return None
        delivery = self._outbox.delivery(request)
        if delivery is not None and delivery.is_settled:
            self._settled[job_id] = size
        return delivery
