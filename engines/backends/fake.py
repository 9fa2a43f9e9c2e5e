"""A deterministic engine for tests and for measuring everything but the model: it says how long it listened.

Prompts make it fail: `die at 3` ends the process at window 3, `hang at 3` never returns, `fail at 3` raises, and
`oom above 2` runs out of memory in passes of more windows than that.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Hashable, Sequence

from engines.base import WINDOW_SECONDS, Window, WindowResult
from engines.errors import OutOfMemory
from engines.registry import EngineOptions
from engines.text.logprobs import token_logprob
from engines.transcript import Word

_FAULT = re.compile(r"(die|hang|fail) at (\d+)|oom above (\d+)")


class FakeEngine:
    """Hears one word a second of speech. A numeric model name is the seconds each pass takes (`0.2`), or those and the
    seconds for each of its windows (`0.1+0.02`)."""

    name = "fake"

    def __init__(self, options: EngineOptions) -> None:
        self.model = options.model
        self.lanes = options.lanes or 2
        self.max_batch = options.max_batch or 4
        self.express_lanes = 0
        self.window_seconds = options.window_seconds or WINDOW_SECONDS

    def load(self) -> None:
        each_pass, _, each_window = self.model.partition("+")
        self._pass_seconds, self._window_seconds = _number(each_pass), _number(each_window)

    def batch_key(self, window: Window) -> Hashable:
        return (window.options.task, window.temperature)

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        for window in windows:
            _misbehave(window, len(windows))
        time.sleep(self._pass_seconds + self._window_seconds * len(windows))
        return [_hear(window) for window in windows]

    def close(self) -> None:
        return


def _misbehave(window: Window, at_once: int) -> None:
    fault = _FAULT.search(window.options.prompt or "")
    if fault is None:
        return
    kind, index, most = fault.groups()
    if most is not None:
        if at_once > int(most):
            raise OutOfMemory()
    elif window.index == int(index):
        if kind == "die":
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        if kind == "hang":
            threading.Event().wait()
        raise RuntimeError(f"Window {index} was told to fail.")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _hear(window: Window) -> WindowResult:
    texts = [f" w{window.index}.{second}" for second in range(max(1, round(window.seconds)))]
    last = max(window.seconds - 0.1, 0.0)
    words = tuple(Word(text, min(at + 0.1, last), min(at + 0.9, window.seconds), 0.9) for at, text in enumerate(texts))
    text = "".join(texts)
    return WindowResult(
        text=text,
        tokens=tuple(range(len(texts))),
        language=window.options.language or "en",
        language_probability=1.0,
        avg_logprob=-0.1,
        no_speech_prob=0.01,
        compression_ratio=1.0,  # nothing here is to trip the temperature ladder
        temperature=window.temperature,
        words=words if window.options.words else (),
        word_tokens=tuple((at,) for at in range(len(texts))) if window.options.words else (),
        logprobs=tuple(token_logprob(each.encode(), 0.9) for each in texts) if window.options.logprobs else (),
    )
