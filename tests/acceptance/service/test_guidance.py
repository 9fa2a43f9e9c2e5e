"""What a client says about its recording reaches the model: names to expect, the language."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests import media, speech
from tests.acceptance.live import LiveService
from tests.accuracy import normalised


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence with two names that are spelled in several ways."""
    spoken = speech.speak(["Please send the minutes to Kathryn Smyth and to Jon Thomsen."], seed=5)
    return media.write(tmp_path_factory.mktemp("names") / "names.wav", spoken.samples)


@pytest.fixture(scope="module")
def unguided(service: LiveService, names: Path) -> str:
    text: str = service.transcribe(names).json()["text"]
    assert "Kathryn Smyth" not in text
    assert "Jon Thomsen" not in text
    return text


@pytest.mark.parametrize(
    "guidance",
    [{"prompt": "Minutes of Kathryn Smyth and Jon Thomsen."}, {"keywords[]": ["Kathryn Smyth", "Jon Thomsen"]}],
    ids=["prompt", "keywords"],
)
def test_names_are_spelled_as_the_client_spells_them(
    service: LiveService, names: Path, unguided: str, guidance: dict[str, Any]
) -> None:
    text = service.transcribe(names, **guidance).json()["text"]
    assert normalised(text) == normalised("Please send the minutes to Kathryn Smyth and to Jon Thomsen.")
    assert "Kathryn Smyth" in text
    assert "Jon Thomsen" in text
    job = service.ended(service.submit(names, **guidance))
    assert service.get(job["urls"]["transcript"]).json()["text"] == text


def test_the_language_asked_for_is_the_language_written(service: LiveService, names: Path, unguided: str) -> None:
    answer = service.transcribe(names, language="ru", response_format="verbose_json").json()
    assert (answer["language"], answer["language_code"], answer["language_probability"]) == ("russian", "ru", 1)
    letters = [letter for letter in answer["text"] if letter.isalpha()]
    assert sum(unicodedata.name(letter).startswith("CYRILLIC") for letter in letters) > len(letters) / 2
