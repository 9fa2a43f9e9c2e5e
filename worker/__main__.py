"""`python -m worker`: the warm worker process. It wants WHISPER_REDIS_URL; the supervisor sets it."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until all is imported: looking again and again through what stays takes a tenth of the start

import ctypes
import logging
import os
import platform
import sys

from pydantic import ValidationError

from worker.fleet.store_note import StoreNote
from worker.running.worker_process import WorkerProcess
from worker.runtime import lifeline, log_file, logs, open_files
from worker.runtime.exit_codes import STARTS_IDLE
from worker.settings import WorkerSettings, explain
from worker.telemetry import tracing

_M_ARENA_MAX = -8  # malloc.h


def main() -> int:
    gc.freeze()  # what was imported stays: no collection looks at it
    gc.enable()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        return 2
    logs.set_up("worker", settings.log_level, settings.log_format)
    logging.getLogger("httpcore2").setLevel(logging.WARNING)  # it would log headers, which are secrets
    if not settings.redis_url:
        print(
            "Set WHISPER_REDIS_URL, or start everything: whisper-native serve run (in a checkout: make run).",
            file=sys.stderr,
        )
        return 2
    if code := StoreNote.refused_at_start(settings, settings.timing, settings.redis_url):
        return code
    lifeline.watch(settings.timing.grace)
    log_file.follow()
    open_files.allow_many()
    tracing.set_up("worker")
    # Before the engine's library is loaded: threads of a lane that wait for each other sleep instead of spinning, or
    # lanes, and whatever else the machine runs, take the cores from one another.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _share_arenas()
    starts_idle = os.environ.get(STARTS_IDLE) == "1"  # from the supervisor, where an idle worker has just ended itself
    code = WorkerProcess(settings, settings.redis_url, starts_idle=starts_idle).run()
    tracing.shut_down()
    sys.stdout.flush()
    os._exit(code)  # slots idle in a blocking read and native threads must not hold the exit up


def _share_arenas() -> None:
    """glibc gives each thread a heap of its own, where freed memory stays: with a dozen threads that take turns, over
    100 MB more at base (measured), and nothing faster."""
    if platform.libc_ver()[0] == "glibc" and "MALLOC_ARENA_MAX" not in os.environ:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


if __name__ == "__main__":
    sys.exit(main())
