"""How many files and connections this process may have open at once."""

from __future__ import annotations

import logging
import sys

WANTED = 65_536  # two for each connection that uploads

log = logging.getLogger(__name__)


def allow_many() -> int:
    """Raises the limit of this process, and of those it starts, to what the system lets it have; returns what it is."""
    if sys.platform == "win32":  # which has no such limit
        return WANTED
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return WANTED
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError) as error:
        log.warning("Only %d files may be open at once: %s", soft, error)
        return soft
    return wanted
