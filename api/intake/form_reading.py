"""From the pairs a client sent to a checked form. The first bad field is refused, by its name and with a remedy."""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from api.http.errors import ApiError
from api.http.fields import Fields, Shape
from api.intake.form import Form, Route, TranscriptQuery, Use

Model = TypeVar("Model", bound=BaseModel)


def use_of(field: FieldInfo) -> Use:
    return next(each for each in field.metadata if isinstance(each, Use))


FILENAMES = ("filename", "file_name")  # the second as most form builders call it


WITH_COMMAS = ("known_speaker_names", "known_speaker_references")  # lists whose values may hold some

KNOWN = frozenset((*Form.model_fields, *FILENAMES))


def base_name(name: str) -> str:
    """The field that is meant, in any spelling."""
    return name.partition("[")[0].partition(".")[0]


def read_form(fields: Fields, route: Route) -> Form:
    """The fields this route has; raises ApiError for the first bad one."""
    uses = {name: use_of(field) for name, field in Form.model_fields.items()}
    return _checked(Form, fields, [name for name, use in uses.items() if route in use.routes and name != "file"])


def read_transcript_query(fields: Fields) -> TranscriptQuery:
    """Raises ApiError for the first bad parameter."""
    return _checked(TranscriptQuery, fields, list(TranscriptQuery.model_fields))


def _checked(model: type[Model], fields: Fields, names: list[str]) -> Model:
    shapes = {name: _shape(model.model_fields[name]) for name in names}
    for name, shape in shapes.items():
        if strange := fields.misspelled(name, shape):
            message = f"'{strange[:100]}' is not a way to send '{name}'. Send it as {_SPELLED[shape].format(name)}."
            raise ApiError("invalid_value", message, param=name)
    sent = {name: value for name, shape in shapes.items() if (value := _sent(fields, name, shape)) is not None}
    sent |= {name: value for name in WITH_COMMAS if name in sent and (value := fields.whole(name))}
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise _refusal(model, error) from None


_SPELLED: dict[Shape, str] = {"text": "'{0}'", "list": "'{0}[]'", "object": "'{0}', a JSON object"}


def _shape(field: FieldInfo) -> Shape:
    kinds = {get_origin(kind) for kind in (field.annotation, *get_args(field.annotation))}
    return "list" if tuple in kinds else "object" if dict in kinds else "text"


def _sent(fields: Fields, name: str, shape: Shape) -> object:
    """What a client sent of a field: a text, the texts of a list, or the texts of an object's keys."""
    if shape == "list":
        return fields.many(name) or None
    return fields.one(name) or (fields.nested(name) or None if shape == "object" else None)


def _refusal(model: type[BaseModel], error: ValidationError) -> ApiError:
    first = error.errors(include_url=False)[0]
    name, kind, context = str(first["loc"][0]), first["type"], first.get("ctx", {})
    if kind in ("invalid_value", "unsupported_parameter"):
        return ApiError(kind, f"{first['msg']}.", param=name)
    if kind == "literal_error":
        message = f"'{str(first['input'])[:100]}' is no '{name}'; it is one of {context['expected']}."
    elif kind == "string_too_long":
        message = f"'{name}' is longer than {context['max_length']} characters."
    else:
        message = f"'{name}' is {_expected(model, name)}."
    return ApiError("invalid_value", message, param=name)


def _expected(model: type[BaseModel], name: str) -> str:
    schema: dict[str, Any] = model.model_json_schema()["properties"][name]
    schema = next((each for each in schema.get("anyOf", ()) if each.get("type") == "boolean"), schema)
    if schema.get("type") == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    if schema.get("type") == "number":
        return f"a number from {schema['minimum']} to {schema['maximum']}"
    return "true or false" if schema.get("type") == "boolean" else "a text"
