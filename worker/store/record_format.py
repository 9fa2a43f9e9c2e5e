"""How a record lies on disk or in Redis: JSON with the number of its format, read by the fields that are known.

A reader ignores fields it does not know, at every depth, so most changes need no new number. One is needed only if an
earlier version would misread the record. A record without a number has the first format. It is left out on purpose in
those whose first readers refused unknown fields, so that one can go back to such a version (`is_numbered`).
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from engines.transcript import SPARSE

FIRST = 1
KEY = "format"

Record = TypeVar("Record")

_ADAPTERS: dict[object, TypeAdapter[Any]] = {}  # by the kind of record


class RecordUnreadable(Exception):
    """A record is damaged, or of a format that only newer versions know. newer: that format, None for damage."""

    def __init__(self, reason: str, newer: int | None = None) -> None:
        super().__init__(reason)
        self.newer = newer


@dataclass(frozen=True, slots=True)
class RecordFormat(Generic[Record]):
    """One kind of record. name: as messages call it. kind: a dataclass. number: the format that is written.
    is_numbered: whether the first format says its number. keys: what fields are called on disk, if they are called
    otherwise."""

    name: str
    kind: type[Record]
    number: int = FIRST
    is_numbered: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)

    def write(self, record: Record) -> dict[str, Any]:
        """The record's fields under the number of its format; what they hold is left to `encoded`."""
        number = {KEY: self.number} if self.is_numbered or self.number > FIRST else {}
        return number | {self.keys.get(name, name): value for name, value in _fields(record).items()}

    def dump(self, record: Record) -> bytes:
        """One line of JSON."""
        return encoded(self.write(record))

    def load(self, content: bytes | str) -> Record:
        """Raises RecordUnreadable."""
        if not self.keys:
            with contextlib.suppress(ValidationError):  # what is wrong, and whether it counts, is seen below
                return self._adapter.validate_json(content)  # at once, which takes half as long
        try:
            data = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RecordUnreadable(f"{self.name} is damaged: {error}") from error
        return self.read(data)

    def read(self, data: Any) -> Record:
        """As `load`, from parsed JSON. A format that is newer than ours is read as far as it can be."""
        if isinstance(data, dict):
            data = data | {name: data[key] for name, key in self.keys.items() if key in data and name not in data}
        try:
            return self._adapter.validate_python(data)
        except ValidationError as error:
            raise self._unreadable(data, _reason(error)) from error

    @property
    def _adapter(self) -> TypeAdapter[Record]:
        """Made with the first record that is read: each process knows of all kinds, and reads few of them."""
        if self.kind not in _ADAPTERS:
            _ADAPTERS[self.kind] = TypeAdapter(self.kind)
        return _ADAPTERS[self.kind]

    def _unreadable(self, data: Any, reason: str) -> RecordUnreadable:
        number = data.get(KEY, FIRST) if isinstance(data, dict) else FIRST
        number = int(number) if str(number).isdecimal() else FIRST  # in Redis numbers are text
        if number <= self.number:
            return RecordUnreadable(f"{self.name} is damaged: {reason}")
        newer = f"{self.name} has format {number}, which a newer version wrote; this version knows {self.number}"
        return RecordUnreadable(f"{newer} ({reason})", number)


def encoded(data: Any) -> bytes:
    """One line of JSON, of plain values and dataclasses, without copying them first. JSON has no infinity: it becomes
    the largest number, and NaN, which a model may give for how sure it is, the lowest."""
    try:
        text = json.dumps(data, default=_fields, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else math.copysign(sys.float_info.max, 1 if data > 0 else -1)
    if isinstance(data, str | int | None):
        return data
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    fields = data if isinstance(data, Mapping) else _fields(data)
    return {name: _finite(value) for name, value in fields.items()}


def _fields(record: Any) -> dict[str, Any]:
    try:
        fields: Mapping[str, Field[Any]] = record.__dataclass_fields__
    except AttributeError:
        raise TypeError(f"{type(record).__name__} is neither plain JSON nor a dataclass") from None
    values = ((name, getattr(record, name), field.metadata) for name, field in fields.items())
    return {name: value for name, value, metadata in values if value or metadata != SPARSE}


def _reason(error: ValidationError) -> str:
    """The first thing that is wrong, and where; never the value, which may be a secret or what somebody said."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
