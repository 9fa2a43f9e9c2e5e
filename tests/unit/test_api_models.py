"""One model is served, under its own spellings and the hosted API's names."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.errors import ApiError
from api.models import ServedModels
from tests.unit.api_service import assert_error, serving


@pytest.mark.parametrize(
    "name",
    ["base", "Systran/faster-whisper-base", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe-2025-12-15"],
)
def test_the_models_names(name: str) -> None:
    ServedModels("base", 0).check(name)


@pytest.mark.parametrize("name", ["small", "whisper-2", "gpt-<img>", "gpt-", "base\r\nx: y", "x" * 5000])
def test_other_names_are_refused_and_told_what_is_served(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        ServedModels("base", 0).check(name)
    assert (caught.value.status, caught.value.param) == (404, "model")
    assert "'base'" in caught.value.message
    assert "WHISPER_MODEL" in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("task", "language", "param"),
    [("translate", None, "model"), ("transcribe", "de", "language")],
)
def test_an_english_model_does_english_only(task: str, language: str | None, param: str) -> None:
    with pytest.raises(ApiError, match="English only") as caught:
        ServedModels("tiny.en", 0).check_languages(task, language)
    assert (caught.value.status, caught.value.param) == (400, param)
    ServedModels("tiny", 0).check_languages(task, language)


def test_an_english_model_takes_english() -> None:
    ServedModels("tiny.en", 0).check_languages("transcribe", "en")
    ServedModels("tiny.en", 0).check_languages("transcribe", None)


@pytest.mark.asyncio
async def test_the_routes(tmp_path: Path) -> None:
    async with serving(tmp_path, model="Systran/faster-whisper-small") as running:
        listed = (await running.client.get("/v1/models")).json()
        assert listed["object"] == "list"
        assert [row["id"] for row in listed["data"]][:2] == ["small", "whisper-1"]
        assert {frozenset(row) for row in listed["data"]} == {frozenset({"id", "object", "created", "owned_by"})}
        found = await running.client.get("/v1/models/Systran/faster-whisper-small")
        assert found.json()["id"] == "Systran/faster-whisper-small"
        message = assert_error(await running.client.get("/v1/models/base"), 404, "model_not_found", "model")
        assert "'small'" in message
