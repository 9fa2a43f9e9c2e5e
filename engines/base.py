"""The seam every engine stands behind: windows in, window results out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from engines.transcript import SPARSE, TokenLogprob, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz, mono: what Whisper was trained on
WINDOW_SECONDS = 30.0  # what Whisper's encoder takes in one pass

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class Listening:
    """What of a recording a request wants heard.

    track: the sound track's number, from 1; None chooses. voice_activity: False gives the model everything, silence
    too. threshold: probability from which a frame is speech. prefix_padding, silence_duration: seconds kept before
    speech and after it; a shorter pause is no end of speech. None leaves each to the service.
    """

    track: int | None = None
    voice_activity: bool = True
    threshold: float | None = None
    prefix_padding: float | None = None
    silence_duration: float | None = None


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What a request asks for. The operator's choices are EngineOptions, what the ladder makes of a window its Attempt.

    language: ISO 639-1 code, or None to let the engine find it (among `languages`, if any are given).
    multilingual: the recording changes its language; each window keeps the one that was found in it.
    words: whether times are wanted; without them the engine leaves the alignment out.
    prompt: text that precedes the speech, for spelling and style. hotwords: phrases to expect.
    logprobs: whether each token's log probability is wanted; an engine gives them with `words`, or does without.
    only_language: the recording is decoded until its language is known, and no further.
    temperature: 0 decodes with beam search, above 0 samples. listening: which track, and what counts as speech.
    """

    task: Task = "transcribe"
    language: str | None = None
    languages: tuple[str, ...] = ()
    multilingual: bool = False
    words: bool = False
    logprobs: bool = False
    prompt: str | None = None
    hotwords: str | None = None
    temperature: float = 0.0
    listening: Listening = Listening()
    only_language: bool = field(default=False, metadata=SPARSE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a window is decoded this time: a decoding that fails Whisper's thresholds is tried again (see `Ladder`).

    temperature: None for the request's own. full_padding: encode a short window at Whisper's full 30 s, even if the
    engine would do with less.
    """

    temperature: float | None = None
    full_padding: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the recording inside a window: `length` samples from `source`, lying at `target` in the window."""

    source: int
    target: int
    length: int


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """At most 30 s of speech of one recording.

    samples: float32, shape (n,), 16 kHz mono, -1..1. Pauses longer than a moment are left out, so `pieces`
    tells where each stretch lies in the recording. speech: where in the window somebody speaks, as pairs of
    seconds from its start. index: the window's number in the recording, from 0. is_canceled: whether nobody wants
    its result any more; an engine that can stop in the midst of a pass asks now and then, and raises Canceled once
    that goes for all windows of the pass.
    """

    index: int
    samples: NDArray[np.float32]
    pieces: tuple[Piece, ...]
    options: DecodeOptions
    speech: tuple[tuple[float, float], ...] = ()
    is_canceled: Callable[[], bool] = _never
    attempt: Attempt = Attempt()

    @property
    def temperature(self) -> float:
        """What to sample at in this attempt; 0 is the search by beams."""
        return self.options.temperature if self.attempt.temperature is None else self.attempt.temperature

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def start(self) -> float:
        """Where the window begins in the recording, in seconds."""
        return self.pieces[0].source / SAMPLE_RATE

    @property
    def end(self) -> float:
        """Where the window ends in the recording, in seconds."""
        return (self.pieces[-1].source + self.pieces[-1].length) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What an engine heard in one window. `words` has times in seconds from the window's own start, each with
    its `word_tokens`; both are empty if no times were wanted. `logprobs` has those of all `word_tokens` in a row, if
    they were wanted and the engine knows them. is_shortened: the encoder saw less than 30 s."""

    text: str
    tokens: tuple[int, ...]
    language: str
    language_probability: float
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    words: tuple[Word, ...] = ()
    word_tokens: tuple[tuple[int, ...], ...] = ()
    logprobs: tuple[TokenLogprob, ...] = field(default=(), metadata=SPARSE)
    is_shortened: bool = False


class Engine(Protocol):
    """A Whisper implementation.

    lanes: how many `decode` calls may run at once; more than 1 promises a thread-safe decode over shared weights.
    max_batch: how many windows one `decode` call takes.
    express_lanes: `decode` calls on top of these, for an interactive window that finds all lanes at batch work: it
    shares the processor with them rather than wait for one to finish. 0 if a pass cannot share.
    window_seconds: how long a full window is, 30 at most: on CPUs shorter ones are faster, and lose words.
    """

    name: str
    model: str
    lanes: int
    max_batch: int
    express_lanes: int
    window_seconds: float

    def load(self) -> None:
        """Loads the weights and ends with a warm-up pass. Runs on the first lane's thread."""

    def batch_key(self, window: Window) -> Hashable:
        """Windows with equal keys may share a `decode` call."""

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        """One result for each window, in order; all windows have equal batch keys."""

    def close(self) -> None:
        """Gives the weights back. Runs on the first lane's thread."""
