"""How a worker process ends of its own accord, and what its supervisor makes of it."""

from __future__ import annotations

HUNG = 70  # a pass of the model does not end
ASKED_TWICE = 143  # by a second signal while it was still stopping: what shells call the end by SIGTERM
DRAINED = 72  # nothing in hand any more, as was asked for: see DrainRequest
STORE_AWAY = 75  # before it began: it may be there again soon
IDLE = 71  # nothing to do for WHISPER_MODEL_TTL: only the end of a process gives all of its memory back …
STARTS_IDLE = "WHISPER_STARTS_IDLE"  # … and this variable has the next one start without a model
