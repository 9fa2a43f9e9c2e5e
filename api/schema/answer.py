"""What all schemas of answers have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema


def _open(schema: dict[str, Any]) -> None:
    """Later versions may add fields. A field that has a default may be absent and is never sent as null for that."""
    schema.pop("additionalProperties", None)
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is None:
            del field["default"]


class Answer(BaseModel):
    """A JSON object. Fields without a default are always there; tests validate real answers strictly, so that no field
    is sent that is not described."""

    # built when somebody reads the description: nothing else asks for these
    model_config = ConfigDict(extra="forbid", json_schema_extra=_open, defer_build=True)


Absent = SkipJsonSchema[None]  # `X | Absent = None`: the field may be left out
Share = Annotated[float, Field(ge=0, le=1)]
UnixTime = Annotated[float, Field(description="Unix time in seconds")]
UnixSecond = Annotated[int, Field(description="Unix time in whole seconds")]
