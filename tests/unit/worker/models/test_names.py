"""Which model a name means, with the operator's aliases."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.unit.api_service import worker_settings
from worker.models.names import ModelNames
from worker.settings import WorkerSettings, explain


def settings(aliases: str) -> WorkerSettings:
    return worker_settings(models=("small", "large-v3"), model_aliases=aliases)


def test_an_alias_means_its_model() -> None:
    names = settings("whisper-small-q5:small, Acme/Whisper:Systran/faster-whisper-large-v3").model_names
    assert names.meaning("whisper-small-q5") == names.meaning("WHISPER-SMALL-Q5") == "small"
    assert names.meaning("Acme/Whisper") == "large-v3"
    assert (names.meaning("whisper-1"), names.meaning("medium")) == ("base", None)


def test_the_hosted_apis_names_may_be_given_another_model() -> None:
    names = settings("whisper-1:large-v3").model_names
    assert (names.meaning("whisper-1"), names.meaning("gpt-4o-transcribe"), names.default) == (
        "large-v3",
        "base",
        "base",
    )


def test_a_star_takes_whatever_is_not_served() -> None:
    names = settings("*:small,acme:large-v3").model_names
    meant = {name: names.meaning(name) for name in ("medium", "acme", "base", "whisper-1", "nonsense")}
    assert meant == {"medium": "small", "acme": "large-v3", "base": "base", "whisper-1": "base", "nonsense": "small"}


@pytest.mark.parametrize(
    ("aliases", "complaint"),
    [
        ("acme:medium", "'acme:medium' is not of the form name:model with one of the models: base, small, large-v3"),
        ("acme", "is not of the form name:model"),
        (":base", "is not of the form name:model"),
        ("small:base", "'small' is the name of a model that is served"),
    ],
)
def test_an_alias_of_nothing_is_refused_at_the_start(aliases: str, complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(aliases)
    assert "WHISPER_MODEL_ALIASES: '" in explain(caught.value)
    assert complaint in explain(caught.value)


def test_without_aliases_names_are_strict() -> None:
    assert ModelNames.of("base").meaning("nonsense") is None
