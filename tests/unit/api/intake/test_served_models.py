"""The models an operator allows are served, under their own spellings and the hosted API's names."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.http.errors import ApiError
from api.intake.served_models import ServedModels
from tests.unit.api_service import assert_error, serving
from worker.models.names import ModelNames
from worker.queue.heartbeat import WorkerHeartbeat, announce


@pytest.mark.parametrize(
    "name",
    ["base", "Systran/faster-whisper-base", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe-2025-12-15"],
)
def test_the_models_names(name: str) -> None:
    ServedModels(ModelNames("base"), 0).check(name)


@pytest.mark.parametrize("name", ["small", "whisper-2", "gpt-<img>", "gpt-", "base\r\nx: y", "x" * 5000])
def test_other_names_are_refused_and_told_what_is_served(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        ServedModels(ModelNames("base"), 0).check(name)
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
        ServedModels(ModelNames("tiny.en"), 0).check_languages("whisper-1", task, language)
    assert (caught.value.status, caught.value.param) == (400, param)
    ServedModels(ModelNames("tiny"), 0).check_languages("tiny", task, language)


def test_an_english_model_takes_english() -> None:
    ServedModels(ModelNames("tiny.en"), 0).check_languages("whisper-1", "transcribe", "en")
    ServedModels(ModelNames("tiny.en"), 0).check_languages("whisper-1", "transcribe", None)


@pytest.mark.parametrize("name", ["turbo", "openai/whisper-large-v3-turbo", "distil-large-v3"])
def test_a_model_that_was_trained_to_transcribe_only_does_not_translate(name: str) -> None:
    with pytest.raises(ApiError, match="cannot translate") as caught:
        ServedModels(ModelNames.of(name), 0).check_languages("whisper-1", "translate", None)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_parameter", "model")
    assert "'large-v3'" in caught.value.message
    with pytest.raises(ApiError, match="Send one of 'small'"):
        ServedModels(ModelNames.of(name, ("small", "tiny.en")), 0).check_languages(name, "translate", "de")
    ServedModels(ModelNames.of(name), 0).check_languages(name, "transcribe", "de")


def test_a_model_nobody_knows_may_translate() -> None:
    ServedModels(ModelNames("/models/mine"), 0).check_languages("whisper-1", "translate", None)


@pytest.mark.asyncio
async def test_the_routes(tmp_path: Path) -> None:
    async with serving(tmp_path, model="Systran/faster-whisper-small") as running:
        listed = (await running.client.get("/v1/models")).json()
        assert listed["object"] == "list"
        assert [row["id"] for row in listed["data"]][:2] == ["small", "whisper-1"]
        assert {frozenset(row) for row in listed["data"]} == {
            frozenset({"id", "object", "created", "owned_by", "loaded"})
        }
        found = await running.client.get("/v1/models/Systran/faster-whisper-small")
        assert found.json()["id"] == "Systran/faster-whisper-small"
        message = assert_error(await running.client.get("/v1/models/base"), 404, "model_not_found", "model")
        assert "'small'" in message


@pytest.mark.asyncio
async def test_all_that_is_allowed_is_listed_with_what_is_loaded(tmp_path: Path) -> None:
    async with serving(tmp_path, models=("small", "whisper-large-v3-turbo")) as running:
        announce(running.redis, WorkerHeartbeat("w1", "ready", "base", loaded="small"))
        listed = (await running.client.get("/v1/models")).json()["data"]
        assert [row["id"] for row in listed][:3] == ["base", "small", "large-v3-turbo"]
        assert {row["id"] for row in listed if row["loaded"]} == {"small"}
        assert (await running.client.get("/v1/models/Systran/faster-whisper-small")).json()["loaded"] is True
        assert_error(await running.client.get("/v1/models/medium"), 404, "model_not_found", "model")
        running.redis_server.connected = False
        assert (await running.client.get("/v1/models")).status_code == 200


def test_aliases_are_listed_as_the_operator_wrote_them() -> None:
    models = ServedModels(ModelNames.of("base", (), {"Acme/Whisper": "base", "*": "base"}), 0)
    assert [row["id"] for row in models.objects(frozenset())][-1] == "Acme/Whisper"
    assert models.check("nonsense") == models.check("acme/whisper") == "base"


@pytest.mark.asyncio
async def test_the_sdk_reads_the_list(tmp_path: Path) -> None:
    from openai.pagination import SyncPage  # half a second, in every process that only collects tests
    from openai.types import Model

    async with serving(tmp_path) as running:
        page = SyncPage[Model].model_validate((await running.client.get("/v1/models")).json())
        assert [model.id for model in page.data][:2] == ["base", "whisper-1"]
