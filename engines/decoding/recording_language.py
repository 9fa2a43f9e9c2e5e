"""Which language a recording is in: as asked for, or what its windows say."""

from __future__ import annotations

from engines.base import DecodeOptions, WindowResult

SURE = 0.5  # probability from which one window decides for the recording (faster-whisper's default)
VOTERS = 4  # windows with words that are asked at most before the likeliest language is taken
NO_SPEECH = "en"  # what is said of a recording in which nobody speaks, with probability 0


class RecordingLanguage:
    """The first window with words decides if it is sure; else the first few vote with their probabilities.

    A multilingual recording is never settled on one language: each window keeps its own, and `code` is the one
    that most windows have.
    """

    def __init__(self, options: DecodeOptions) -> None:
        self._asked_for = options.language
        self._multilingual = options.multilingual and options.language is None
        self._votes: dict[str, list[float]] = {}  # probabilities, by language
        self._voters = 0
        self.is_settled = self._multilingual or options.language is not None

    @property
    def code(self) -> str:
        return self._asked_for or max(self._votes, key=lambda code: sum(self._votes[code]), default=NO_SPEECH)

    @property
    def probability(self) -> float:
        """How sure the window was that was surest of it; 1 for a language that was asked for."""
        return 1.0 if self._asked_for else max(self._votes.get(self.code, [0.0]))

    @property
    def for_next_window(self) -> str | None:
        """The language to decode the next window in, or None if it has to be found."""
        return self._asked_for if self._multilingual or not self.is_settled else self.code

    def add_vote(self, result: WindowResult) -> None:
        """A window without words (music, a cough) does not vote, nor does one that comes after all is settled."""
        if self._asked_for or not result.text.strip() or (self.is_settled and not self._multilingual):
            return
        self._voters += 1
        self._votes.setdefault(result.language, []).append(result.language_probability)
        self.is_settled |= result.language_probability >= SURE or self._voters >= VOTERS

    def settle(self) -> None:
        """The recording is over: the votes so far decide."""
        self.is_settled = True

    def agrees(self, result: WindowResult) -> bool:
        """Whether the result may stand; one without words has no language to be wrong in."""
        free = self._asked_for or self._multilingual
        return bool(free) or not result.text.strip() or result.language == self.code
