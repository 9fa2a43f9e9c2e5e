"""The OpenAPI document says what every route answers, errors included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakeredis import FakeRedis

from api.app import create_app
from api.http.errors import STATUS
from tests.unit.api_service import api_settings, worker_settings
from worker.store.job_store import LocalStore

# Answers to what is no route of the document.
OF_NO_ROUTE = {"not_found", "method_not_allowed", "dashboard_read_only"}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    return create_app(api_settings(), worker_settings(), store=store, redis=FakeRedis()).openapi()


def test_every_error_code_stands_in_it(document: dict[str, Any]) -> None:
    """A new one belongs into the lists of `api/http/openapi.py`."""
    text = json.dumps(document["paths"])
    assert [code for code in STATUS if f"`{code}`" not in text and code not in OF_NO_ROUTE] == []


def test_every_error_has_openais_shape(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if path.startswith("/v1/") and not status.startswith("2"):
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Error"}, (path, status)
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_success_has_a_schema_that_clients_can_be_generated_from(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status.startswith("2") and status != "204":
                    assert answer["content"], (path, status)
                    assert all(each["schema"] for each in answer["content"].values()), (path, status)
    # a generated client takes the first that fits, and all that is verbose would fit the plain one
    options = document["components"]["schemas"]["Transcript"]["anyOf"]
    names = [option["$ref"].rpartition("/")[2] for option in options]
    assert names == ["TranscriptVerbose", "TranscriptDiarized", "TranscriptJson"]


def test_every_route_with_a_recording_says_how_it_may_be_refused(document: dict[str, Any]) -> None:
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/jobs"):
        assert {"400", "401", "404", "408", "413", "422", "503", "507"} <= set(
            document["paths"][path]["post"]["responses"]
        )
