"""Form fields and query parameters as clients spell them."""

from __future__ import annotations

from collections.abc import Iterable


class Fields:
    """Reads `name` and `name[]` alike. An empty value counts as not sent: form builders send those."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(name, value) for name, value in pairs if value.strip()]

    def one(self, name: str) -> str | None:
        """The field's last value."""
        values = [value for sent, value in self._pairs if sent == name]
        return values[-1] if values else None

    def many(self, name: str) -> tuple[str, ...]:
        """All values of a list, in order."""
        return tuple(value.strip() for sent, value in self._pairs if sent in (name, f"{name}[]"))

    def nested(self, name: str) -> dict[str, str]:
        """The values of an object sent as `name[key]=value`."""
        start = f"{name}["
        return {
            sent[len(start) : -1]: value
            for sent, value in self._pairs
            if sent.startswith(start) and sent.endswith("]") and len(sent) > len(start) + 1
        }
