"""Form fields and query parameters as clients spell them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal

Shape = Literal["text", "list", "object"]

# What may stand behind a field's name: of a list as PHP and OpenAI's SDKs (`[]`) and qs (`[0]`) write it, of an object
# as all of them do (`[key]`).
_BEHIND: dict[Shape, re.Pattern[str]] = {
    "text": re.compile(""),
    "list": re.compile(r"(?:\[\d{0,6}\])?(?:\[\])?"),  # OpenAI's SDK puts its own `[]` behind one in `extra_body`
    "object": re.compile(r"(?:\[[^\[\]]+\])?"),
}


_OPENING, _CLOSING = re.compile("%5b", re.IGNORECASE), re.compile("%5d", re.IGNORECASE)
_HALF = re.compile("[\ud800-\udfff]")
_COMMA = re.compile(",")
_BETWEEN_URLS = re.compile(r",\s*(?=data:)")


class Fields:
    """Reads every common spelling of a field. An empty value counts as not sent: form builders send those."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(_meant(name), value) for name, value in pairs if value.strip()]

    def one(self, name: str) -> str | None:
        """The field's last value."""
        values = [value for sent, value in self._pairs if sent == name]
        return values[-1] if values else None

    def many(self, name: str) -> tuple[str, ...]:
        """All values of a list, in order: sent as `name`, `name[]` or `name[0]`, once or repeatedly, each of them one
        value, several with commas, or a JSON array."""
        texts = [value for sent, value in self._pairs if _is_spelled(sent, name, "list")]
        return tuple(value for text in texts for value in _values(text))

    def whole(self, name: str) -> tuple[str, ...]:
        """As `many`, for values that hold commas: only what is sent once under the bare name is parted at them, and
        not inside a data URL."""
        texts = [(sent, value) for sent, value in self._pairs if _is_spelled(sent, name, "list")]
        commas = _COMMA if [sent for sent, _ in texts] == [name] else None
        found = [_texts(text, _BETWEEN_URLS if text.lstrip().startswith("data:") else commas) for _, text in texts]
        return tuple(value for values in found for value in values)

    def nested(self, name: str) -> dict[str, str]:
        """The values of an object sent as `name[key]=value`."""
        start = len(name) + 1
        return {
            sent[start:-1]: value
            for sent, value in self._pairs
            if sent != name and _is_spelled(sent, name, "object")
        }  # fmt: skip

    def misspelled(self, name: str, shape: Shape) -> str | None:
        """The first name that means this field, and is none that is read."""
        starts = (f"{name}[", f"{name}]", f"{name}.")
        strange = (sent for sent, _ in self._pairs if sent.startswith(starts) and not _is_spelled(sent, name, shape))
        return next(strange, None)


def _meant(name: str) -> str:
    """A field's name with brackets that a client has percent-encoded, which belongs in a URL alone."""
    return _CLOSING.sub("]", _OPENING.sub("[", name.strip()))


def _is_spelled(sent: str, name: str, shape: Shape) -> bool:
    return sent.startswith(name) and _BEHIND[shape].fullmatch(sent, len(name)) is not None


def _values(text: str) -> list[str]:
    return _texts(text, _COMMA)


def _texts(text: str, separator: re.Pattern[str] | None) -> list[str]:
    """Those of a JSON array, else what is between the separators."""
    values = _json_texts(text) if text.lstrip().startswith("[") else None
    if values is None:
        values = separator.split(text) if separator else [text]
    return [part.strip() for part in values if part.strip()]


def _json_texts(text: str) -> list[str] | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return list(map(without_halves, values)) if all(isinstance(value, str) for value in values) else None


def without_halves(text: str) -> str:
    """With a mark for each half of a sign, which JSON can hold and UTF-8 cannot."""
    return _HALF.sub("\ufffd", text)
