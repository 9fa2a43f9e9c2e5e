"""Which jobs somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass

from worker.store.records import ENDED, State


@dataclass(frozen=True, slots=True)
class Asked:
    """Which jobs of a list are wanted. after: those that come after this one, in whichever order. statuses: none for
    all. query: words that have to stand in the name, the title, the metadata or the transcript."""

    after: str | None = None
    statuses: frozenset[State] = frozenset()
    query: str = ""
    oldest_first: bool = False

    @property
    def are_ended(self) -> bool:
        return bool(self.statuses) and self.statuses <= set(ENDED)
