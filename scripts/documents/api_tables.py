"""The tables of docs/API.md that follow from the code: form fields, answers, error codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api.http.errors import STATUS
from api.intake.form import ROUTES, Route, Use
from api.intake.form_document import form_fields, wire_name
from api.schema.answer import Answer
from api.schema.jobs import Job
from api.schema.transcripts import TranscriptSegment, TranscriptVerbose

_BLOCK = re.compile(r"<!-- table: ([a-z_ ]+) -->\n(.*?)<!-- end of table -->", flags=re.DOTALL)
_PATHS: dict[Route, str] = {
    "transcription": "`/v1/audio/transcriptions`",
    "translation": "`/v1/audio/translations`",
    "job": "`/v1/jobs`",
}


def form_table() -> str:
    """Every field of the routes that take a recording."""
    rows = (_field(wire_name(name, schema), use, schema) for name, (use, schema) in form_fields().items())
    return table(("field", "value", "default", "of", "meaning"), rows)


def error_table() -> str:
    """Every error code, by its status."""
    by_status: dict[int, list[str]] = {}
    for code, status in STATUS.items():
        by_status.setdefault(status, []).append(f"`{code}`")
    return table(
        ("status", "`error.code`"), ((str(status), ", ".join(by_status[status])) for status in sorted(by_status))
    )


def answer_table(model: type[Answer]) -> str:
    """Every field of an answer."""
    schema = model.model_json_schema()
    rows = (
        (f"`{name}`", shown_type(field, schema.get("$defs")), _description(field))
        for name, field in schema["properties"].items()
    )
    return table(("field", "value", "meaning"), rows)


def _description(schema: dict[str, Any]) -> str:
    """Its own, or that of the type it may have beside null."""
    return next((row["description"] for row in (schema, *schema.get("anyOf", ())) if "description" in row), "")


TABLES: dict[str, Callable[[], str]] = {
    "form fields": form_table,
    "job": lambda: answer_table(Job),
    "verbose_json": lambda: answer_table(TranscriptVerbose),
    "segment": lambda: answer_table(TranscriptSegment),
    "error codes": error_table,
}


def filled(text: str) -> str:
    """The page with each table between its markers as the code has it. Raises KeyError for a table there is not."""
    return _BLOCK.sub(lambda found: f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}\n<!-- end of table -->", text)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(heads)
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def _field(name: str, use: Use, schema: dict[str, Any]) -> tuple[str, ...]:
    return f"`{name}`", shown_type(schema), _default(use, schema), _routes(use), _meaning(use, schema)


def _default(use: Use, schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _routes(use: Use) -> str:
    where = "all" if use.routes == ROUTES else ", ".join(_PATHS[route] for route in use.routes)
    return f"{where}, as a query parameter" if use.body == "query" else where


def _meaning(use: Use, schema: dict[str, Any]) -> str:
    if use.ignored == ROUTES:
        return f"Accepted without effect. {schema['description']}"
    ignored = ", ".join(_PATHS[route] for route in use.ignored)
    return f"{schema['description']}. Without effect on {ignored}" if ignored else str(schema["description"])


def shown_type(schema: dict[str, Any], parts: Mapping[str, dict[str, Any]] | None = None) -> str:
    """A JSON Schema in a few words. parts: what it refers to."""
    if "$ref" in schema:
        properties = (parts or {})[schema["$ref"].rpartition("/")[2]]["properties"]
        return "{" + ", ".join(f"`{name}`" for name in properties) + "}"
    if "anyOf" in schema:
        return " or ".join(shown_type(option, parts) for option in schema["anyOf"])
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        return f"list of {shown_type(schema['items'], parts)}"
    return f"{_simple_type(schema)}{_limits(schema)}"


def _limits(schema: dict[str, Any]) -> str:
    if "maxLength" in schema:
        return f", up to {schema['maxLength']} characters"
    return f", {schema['minimum']} to {schema['maximum']}" if "minimum" in schema else ""


def _simple_type(schema: dict[str, Any]) -> str:
    by_format = {"binary": "file", "uri": "URL"}
    if schema.get("contentMediaType") == "application/json":
        return "JSON object, as text"
    names = {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    kind = str(schema.get("type", "any"))
    return by_format.get(schema.get("format", ""), names.get(kind, kind))
