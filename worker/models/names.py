"""Which models this service has, and which of them a name means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.weights.names import canonical_name

ANY_NAME = "*"  # an alias: whatever is asked for, and is none of the service's own names
_HOSTED = re.compile(r"whisper-1|gpt-[A-Za-z0-9.-]{1,60}")  # any of the hosted transcription models, also later ones


@dataclass(frozen=True, slots=True)
class ModelNames:
    """default: what the hosted API's names mean. others: what may be asked for by name beside it. aliases: the
    operator's further names, and the model each means."""

    default: str
    others: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, default: str, others: tuple[str, ...] = (), aliases: Mapping[str, str] | None = None) -> ModelNames:
        """From the names as an operator wrote them, in any spelling, each once."""
        first, *rest = dict.fromkeys(canonical_name(name) for name in (default, *others))
        return cls(first, tuple(rest), {name: canonical_name(model) for name, model in (aliases or {}).items()})

    @property
    def all(self) -> tuple[str, ...]:
        return (self.default, *self.others)

    @property
    def known(self) -> tuple[str, ...]:
        """All names it goes by, of the hosted API's none."""
        return (*self.all, *self.aliases)

    def meaning(self, name: str) -> str | None:
        """The model that is meant, in any of its spellings; None for one this service does not have."""
        if alias := next((model for alias, model in self.aliases.items() if alias.lower() == name.lower()), None):
            return alias
        if _HOSTED.fullmatch(name):
            return self.default
        found = canonical_name(name)
        return found if found in self.all else self.aliases.get(ANY_NAME)
