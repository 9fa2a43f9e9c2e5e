"""Which of the service's processes run on this machine: all of them, or some, beside others elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

ALL = ("worker", "api", "webhooks")  # in the order they start

NEEDS_REDIS = (
    "Set WHISPER_REDIS_URL: with --only, the others have to reach the same Redis, and the one the service starts for "
    "itself can be reached by nobody else. On the machine of the API, `invite` prints the line for a worker."
)


@dataclass(frozen=True, slots=True)
class Roles:
    """names: of those that run here, in the order they start."""

    names: tuple[str, ...] = ALL

    @classmethod
    def parse(cls, text: str) -> Roles:
        """From names with commas between them, or nothing for all. Raises ValueError."""
        given = {name.strip().lower() for name in text.split(",") if name.strip()}
        if unknown := given - set(ALL):
            raise ValueError(f"There is no part '{min(unknown)}' of the service. Allowed: {', '.join(ALL)}.")
        return cls(tuple(name for name in ALL if name in given)) if given else cls()

    @property
    def are_all(self) -> bool:
        return self.names == ALL

    @property
    def suffix(self) -> str:
        """Of the names of their files, so that several parts may run on one machine."""
        return "" if self.are_all else f".{'-'.join(self.names)}"

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def overlap(self, other: Roles) -> bool:
        return not set(self.names).isdisjoint(other.names)

    def __str__(self) -> str:
        return ", ".join(self.names)
