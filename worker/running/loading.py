"""Engines as the settings want them, and what beside them depends on how fast they are."""

from __future__ import annotations

import logging

from engines.base import Engine
from engines.decoding.batcher import Batcher
from engines.devices.cores import available_cores
from engines.errors import EngineError, EngineUnavailable
from engines.registry import EngineOptions, create_engine
from engines.speakers.diarizer import SpeakerOptions
from worker.settings import WorkerSettings
from worker.telemetry.instruments import BATCH_WINDOWS

MOST_READERS = 8  # as many are enough for any GPU of today

log = logging.getLogger(__name__)


def load(model: str, settings: WorkerSettings) -> Batcher:
    """The model's batcher, which has been started. Raises EngineError."""
    options = EngineOptions(
        model=model,
        device=settings.device,
        compute_type=settings.compute_type,
        lanes=settings.lanes,
        threads=settings.threads,
        max_batch=settings.max_batch,
        window_seconds=settings.window_seconds,
        beam_size=settings.beam_size,
        data_dir=settings.data_dir,
        offline=settings.offline,
    )
    try:
        engine = create_engine(settings.engine, options)
        batcher = Batcher(engine, on_pass=BATCH_WINDOWS.observe)
        batcher.start()
    except EngineError:
        raise
    except Exception as error:
        log.exception("The model %s could not be loaded", model)
        raise EngineUnavailable(f"The model could not be loaded: {error}") from error
    log.info("Loaded: %s, %s, %d lanes, batches of %d", engine.model, engine.name, engine.lanes, engine.max_batch)
    return batcher


def device_of(engine: Engine) -> str:
    """What the engine computes on, as it says itself; empty if it does not."""
    return str(getattr(engine, "device", ""))


def reader_processes(engine: Engine, settings: WorkerSettings) -> int:
    """How many processes read long recordings: a CPU decodes far slower than one process reads, so there they would
    but take memory."""
    if settings.reader_processes is not None:
        return settings.reader_processes
    return 0 if device_of(engine) in ("", "cpu") else max(1, min(available_cores() - 1, MOST_READERS))


def speaker_options(settings: WorkerSettings) -> SpeakerOptions:
    """A quarter of the cores keeps up with a small model on the others."""
    return SpeakerOptions(
        model=settings.speaker_model,
        threads=settings.diarize_threads or max(1, available_cores() // 4),
        data_dir=settings.data_dir,
        offline=settings.offline,
    )
