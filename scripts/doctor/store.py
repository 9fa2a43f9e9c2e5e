"""A shared store: whether it is reached, may be written to, and honours the conditions that all promises rest on."""

from __future__ import annotations

import time

from scripts.doctor.finding import Finding, failure, ok, warning
from worker.store.errors import StoreUnfit
from worker.store.factory import StoreSettings, identity

SLOW = 0.25  # seconds a request may take: a recording takes some twenty, one after the other


def shared_store(settings: StoreSettings) -> Finding | None:
    """None if jobs are kept in the data directory."""
    if not settings.store:
        return None
    try:
        began = time.perf_counter()
        identity(settings)
        first = time.perf_counter()
        identity(settings)
    except StoreUnfit as error:
        return failure("store", str(error))
    requests = 7  # of the second time: the first may have made the bucket's folders
    each = (time.perf_counter() - first) / requests
    said = f"{settings.store} honours conditions; a request takes {each * 1000:.0f} ms"
    if each > SLOW:
        return warning("store", f"{said}. Jobs take seconds longer so: put the store nearer to this machine.")
    return ok("store", f"{said} ({first - began:.1f} s for the first ones)")
