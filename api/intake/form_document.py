"""What the OpenAPI document says of the form: the routes read their bodies themselves, so FastAPI cannot know it."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

from api.intake.form import Form, Route, TranscriptQuery, Use
from api.intake.form_reading import use_of
from api.intake.idempotency import HEADER, MAX_KEY

RECORDING_TYPES = ("audio/*", "video/*", "application/octet-stream")  # of a body that is the recording itself

_KEY = {
    "in": "header",
    "name": HEADER,
    "description": "The same key with the same request gives the same job",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
}
_PREFER = {
    "in": "header",
    "name": "Prefer",
    "description": "`respond-async` answers 202 with a job at once",
    "schema": {"type": "string"},
}


def form_operation(route: Route) -> dict[str, Any]:
    """The request body of a route, and the parameters it has beside."""
    fields = {name: use for name, use in _uses().items() if route in use.routes}
    schemas = _schemas(Form)
    properties = {
        wire_name(name, schemas[name]): _described(schemas[name], use, route)
        for name, use in fields.items()
        if use.body != "query"
    }
    content = {"multipart/form-data": {"schema": {"type": "object", "properties": properties}}}  # `file`, or `url`
    body: dict[str, Any] = {"required": route != "job", "content": content}  # a job's URL may stand in the query
    if route != "job":
        return {"requestBody": body, "parameters": [_KEY, _PREFER]}
    content |= {kind: {"schema": schemas["file"]} for kind in RECORDING_TYPES}
    beside = [
        _parameter(
            wire_name(name, schemas[name]),
            _described(schemas[name], use, route),
            " (for a recording as body; a form's own fields count before these)",
        )
        for name, use in fields.items()
        if use.body != "form"
    ]
    return {"requestBody": body, "parameters": [_KEY, *beside]}


def retry_operation() -> dict[str, Any]:
    """A job's fields as parameters or as a body, for a recording that is there."""
    schemas = _schemas(Form)
    of_the_recording = ("file", "url", "filename", "known_speaker_names", "known_speaker_references")
    fields = {name: use for name, use in _uses().items() if "job" in use.routes and name not in of_the_recording}
    beside = [
        _parameter(wire_name(name, schemas[name]), _described(schemas[name], use, "job"))
        for name, use in fields.items()
    ]
    properties = {wire_name(name, schemas[name]): _described(schemas[name], use, "job") for name, use in fields.items()}
    schema = {"schema": {"type": "object", "properties": properties}}
    content = dict.fromkeys(("multipart/form-data", "application/x-www-form-urlencoded", "application/json"), schema)
    return {"parameters": [_KEY, *beside], "requestBody": {"content": content}}


def transcript_parameters(*more: dict[str, Any]) -> dict[str, Any]:
    """How a transcript is to be written, after what else a route takes."""
    schemas = _schemas(TranscriptQuery)
    return {"parameters": [*more, *(_parameter(wire_name(name, schema), schema) for name, schema in schemas.items())]}


def wire_name(name: str, schema: dict[str, Any]) -> str:
    """Lists in the spelling of OpenAI's SDKs."""
    return f"{name}[]" if schema.get("type") == "array" else name


def form_fields() -> dict[str, tuple[Use, dict[str, Any]]]:
    """Each field's use and JSON Schema, for tables."""
    schemas = _schemas(Form)
    return {name: (use, schemas[name]) for name, use in _uses().items()}


def _uses() -> dict[str, Use]:
    return {name: use_of(field) for name, field in Form.model_fields.items()}


@cache
def _schemas(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """To be read only."""
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return {name: _plain(schema) for name, schema in properties.items()}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without what a form cannot say: null, and defaults that mean `not sent`."""
    shown = {key: value for key, value in schema.items() if key != "title"}
    options = [option for option in shown.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        del shown["anyOf"]
        shown |= options[0]
    if shown.get("default") in (None, "", [], {}) and "default" in shown:
        del shown["default"]
    return shown


def _described(schema: dict[str, Any], use: Use, route: Route) -> dict[str, Any]:
    return {**schema, "description": f"Without effect: {schema['description']}"} if route in use.ignored else schema


def _parameter(name: str, schema: dict[str, Any], note: str = "") -> dict[str, Any]:
    described = {key: value for key, value in schema.items() if key != "description"}
    return {"in": "query", "name": name, "description": schema["description"] + note, "schema": described}
