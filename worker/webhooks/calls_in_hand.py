"""Which calls are being made, so that one host has few at once."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

TO_ONE_HOST = 4  # calls at once


@dataclass
class CallsInHand:
    """The calls being made: the host of each job."""

    hosts: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, job_id: str, host: str) -> bool:
        with self.lock:
            is_crowded = Counter(self.hosts.values())[host] >= TO_ONE_HOST
            if not is_crowded:
                self.hosts[job_id] = host
            return not is_crowded

    def drop(self, job_id: str) -> None:
        with self.lock:
            self.hosts.pop(job_id, None)

    def jobs(self) -> list[str]:
        with self.lock:
            return list(self.hosts)
