"""The engine for tests keeps nothing of what it was given, or a long test would measure that."""

from __future__ import annotations

import gc
import weakref

from engines.backends.fake import FakeEngine
from engines.registry import EngineOptions
from tests.unit.factories import make_window


def test_a_window_is_gone_once_it_is_decoded() -> None:
    engine = FakeEngine(EngineOptions(model="0"))
    engine.load()
    window = make_window(seconds=1.0)
    samples = weakref.ref(window.samples)
    assert len(engine.decode([window])) == 1
    del window
    gc.collect()
    assert samples() is None
