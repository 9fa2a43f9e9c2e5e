"""The diarizer of a worker process: loaded for the first job that wants its speakers told apart, and kept."""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

from engines.errors import EngineError, EngineUnavailable
from engines.speakers.diarizer import Diarizer, SpeakerOptions, load_diarizer

log = logging.getLogger(__name__)


class LoadedDiarizer(NamedTuple):
    """threads: windows it hears at once."""

    diarizer: Diarizer
    threads: int


class SharedDiarizer:
    """All jobs of the process share it, and take turns."""

    def __init__(self, options: SpeakerOptions) -> None:
        self._options = options
        self._loading = threading.Lock()
        self._loaded: LoadedDiarizer | None = None

    def loaded(self) -> LoadedDiarizer:
        """Raises EngineError if it cannot be loaded; the next job tries again."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> LoadedDiarizer:
        try:
            diarizer = load_diarizer(self._options)
        except EngineError:
            raise
        except Exception as error:
            log.exception("What tells speakers apart could not be loaded")
            raise EngineUnavailable(f"What tells speakers apart could not be loaded: {error}") from error
        log.info("Speakers are told apart by %s, %d windows at once", diarizer.name, self._options.threads)
        return LoadedDiarizer(diarizer, self._options.threads)
