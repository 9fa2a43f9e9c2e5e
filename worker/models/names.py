"""Which models this service has, and which of them a name means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engines.weights.names import canonical_name

_HOSTED = re.compile(r"whisper-1|gpt-[A-Za-z0-9.-]{1,60}")  # any of the hosted transcription models, also later ones


@dataclass(frozen=True, slots=True)
class ModelNames:
    """default: what the hosted API's names mean. others: what may be asked for by name beside it."""

    default: str
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, default: str, others: tuple[str, ...] = ()) -> ModelNames:
        """From the names as an operator wrote them, in any spelling, each once."""
        first, *rest = dict.fromkeys(canonical_name(name) for name in (default, *others))
        return cls(first, tuple(rest))

    @property
    def all(self) -> tuple[str, ...]:
        return (self.default, *self.others)

    def meaning(self, name: str) -> str | None:
        """The model that is meant, in any of its spellings; None for one this service does not have."""
        if _HOSTED.fullmatch(name):
            return self.default
        found = canonical_name(name)
        return found if found in self.all else None
