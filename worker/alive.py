"""`python -m worker.alive`: exit code 0 if a worker on this host has told of itself lately; for a container's
HEALTHCHECK."""

from __future__ import annotations

import os
import socket
import sys

from redis.exceptions import RedisError

from worker.queue.heartbeat import workers
from worker.runtime.connection import connect_briefly
from worker.telemetry.vitals import vitals_of


def main() -> int:
    try:
        with connect_briefly(os.environ.get("WHISPER_REDIS_URL", "redis://127.0.0.1:6379/0")) as redis:
            present = workers(redis)
            vitals = vitals_of(redis, [worker.name for worker in present])
    except RedisError as error:
        print(f"Redis does not answer: {error}", file=sys.stderr)
        return 1
    here = [
        worker
        for worker, more in zip(present, vitals, strict=True)
        if more and more.host == socket.gethostname() and worker.state != "failed"
    ]
    return 0 if here else 1


if __name__ == "__main__":
    sys.exit(main())
