"""Finds what the OpenAPI document promises of an answer, and holds the answer to it: no field more, none less."""

from __future__ import annotations

import json
from typing import Any

import httpx
from pydantic import BaseModel

from api.schema.responses import EVENTS, JSON, MODELS

_BY_NAME = {model.__name__: model for model in MODELS}


def model_of(document: dict[str, Any], method: str, path: str, status: int, media_type: str) -> type[BaseModel]:
    answer = document["paths"][path][method]["responses"][str(status)]
    return _BY_NAME[name_of(answer["content"][media_type]["schema"])]


def name_of(schema: dict[str, Any]) -> str:
    """The component a schema refers to; of a server-sent event, that of its data."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    data = schema["properties"]["data"]
    return name_of(data.get("anyOf", [data])[0]["contentSchema"])


def check(document: dict[str, Any], path: str, response: httpx.Response) -> Any:
    """The answer, as JSON, once it has been found to be what the document says of this path. Of a stream, its data."""
    media_type = response.headers["content-type"].partition(";")[0]
    model = model_of(document, response.request.method.lower(), path, response.status_code, media_type)
    if media_type == EVENTS:
        lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
        return [conforms(model, line) for line in lines if line != "[DONE]"]
    assert media_type == JSON
    return conforms(model, response.text)


def conforms(model: type[BaseModel], text: str | bytes) -> Any:
    """The JSON, if it is the model's in every field and type. What may be absent is never null instead."""
    parsed, plain = model.model_validate_json(text, strict=True), json.loads(text)
    assert parsed.model_dump(mode="json", exclude_unset=True) == plain
    return plain
