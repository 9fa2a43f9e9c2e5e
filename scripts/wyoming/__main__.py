"""`python -m scripts.wyoming URL`: the process that speaks Wyoming, a client of the service at URL; the supervisor
starts it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading

from pydantic import ValidationError

from api.settings import ApiSettings
from scripts.wyoming.door import Door
from scripts.wyoming.settings import WyomingSettings
from scripts.wyoming.speech import Speech
from worker.runtime import lifeline, log_file, logs, open_files
from worker.settings import WorkerSettings, explain

log = logging.getLogger(__name__)


def main() -> int:
    [url] = sys.argv[1:]
    try:
        api, worker, settings = ApiSettings(), WorkerSettings(), WyomingSettings()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)
        return 2
    key = settings.key(api)
    logs.set_up("wyoming", worker.log_level, worker.log_format, [key] if key else [])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each call, which our HTTP has anyway
    if settings.address is None or (problem := settings.problem_with(api)):
        log.error("%s", problem if settings.address else "Set WHISPER_WYOMING.")
        return 2
    lifeline.watch(worker.timing.grace)
    log_file.follow()
    open_files.allow_many()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        asyncio.run(_serve(url, key, settings.address, stopped, worker.timing.api_stop))
    except OSError as error:
        log.error("Wyoming cannot be spoken at %s port %d: %s. Set WHISPER_WYOMING.", *settings.address, error)
        return 1
    return 0


async def _serve(url: str, key: str | None, address: tuple[str, int], stopped: threading.Event, grace: float) -> None:
    speech = Speech(url, key)
    try:
        await Door(speech, grace).serve(*address, stopped.is_set)
    finally:
        await speech.close()


if __name__ == "__main__":
    sys.exit(main())
