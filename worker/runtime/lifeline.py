"""A child ends when its supervisor does, however the supervisor ended.

The supervisor holds the other end of our standard input and never writes to it; the operating system closes it
with the supervisor. Works the same on Linux, macOS and Windows, where it is also how we are asked to stop.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import BinaryIO

PARENT_PIPE = "WHISPER_PARENT_PIPE"  # set to 1 by the supervisor for the processes it starts

log = logging.getLogger(__name__)


def watch(grace: float) -> None:
    """Ends this process as SIGTERM would once its supervisor is gone. Without a supervisor it does nothing.

    grace: seconds to end in good order before it ends anyway."""
    if os.environ.get(PARENT_PIPE) == "1":
        threading.Thread(target=_follow, args=(sys.stdin.buffer, grace), name="lifeline", daemon=True).start()


def _follow(pipe: BinaryIO, grace: float) -> None:
    try:
        while os.read(pipe.fileno(), 4096):
            pass
    except OSError as error:  # a broken pipe says the same as its end
        log.debug("The lifeline broke: %s", error)
    log.info("The supervisor asks to stop or is gone: stopping.")
    _terminate_self()
    time.sleep(grace)
    os._exit(1)


def _terminate_self() -> None:
    if os.name == "nt":
        signal.raise_signal(signal.SIGTERM)  # os.kill would end the process at once there
    else:
        os.kill(os.getpid(), signal.SIGTERM)  # to the process, so that the main thread wakes
