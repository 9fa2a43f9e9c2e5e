"""A model has one name however it is spelled, and its weights are found without a model hub where that can be."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from engines.errors import ModelNotFound
from engines.weights import ctranslate2
from engines.weights.ctranslate2 import CTRANSLATE2_REPOSITORIES, find_ctranslate2_weights
from engines.weights.names import canonical_name, is_english_only
from worker.models.remedies import with_remedy

HALVES = (b"the first half, ", b"the second half")


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty Hugging Face cache, and no way to the hub."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two packages with small halves of a model.bin in place of the real ones."""
    packages = tmp_path / "packages"
    names = ("carried_part1", "carried_part2")
    for name, half, suffix in zip(names, HALVES, ("part1", "part2"), strict=True):
        (packages / name / "data").mkdir(parents=True)
        (packages / name / "__init__.py").touch()
        (packages / name / "data" / f"model.bin.{suffix}").write_bytes(half)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (packages / names[0] / "data" / name).write_text("{}")
    monkeypatch.setattr(sys, "path", [str(packages), *sys.path])
    monkeypatch.setattr(ctranslate2, "CARRIED_BASE", names)
    monkeypatch.setattr(ctranslate2, "CARRIED_BASE_SHA256", hashlib.sha256(b"".join(HALVES)).hexdigest())
    return packages


def complete(directory: Path) -> Path:
    directory.mkdir(parents=True)
    for name in ctranslate2.WEIGHT_FILES:
        (directory / name).write_text("{}")
    return directory


SPELLINGS = {
    "tiny": "tiny",
    " Base ": "base",
    "BASE.EN": "base.en",
    "large": "large-v3",
    "turbo": "large-v3-turbo",
    "large-v3-turbo": "large-v3-turbo",
    "whisper-large-v3": "large-v3",
    "whisper-turbo": "large-v3-turbo",
    "openai/whisper-small.en": "small.en",
    "openai/whisper-large-v3-turbo": "large-v3-turbo",
    "Systran/faster-whisper-base": "base",
    "systran/faster-whisper-medium.en": "medium.en",
    "faster-whisper-large-v2": "large-v2",
    "mobiuslabsgmbh/faster-whisper-large-v3-turbo": "large-v3-turbo",
    "Systran/faster-distil-whisper-large-v3": "distil-large-v3",
    "distil-large-v3": "distil-large-v3",
    "someone/whisper-large-v3-finnish": "someone/whisper-large-v3-finnish",
    "someone/faster-whisper-base": "someone/faster-whisper-base",
    "/models/mine": "/models/mine",
    "whisper-1": "whisper-1",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_model_has_one_name(spelling: str) -> None:
    assert canonical_name(spelling) == SPELLINGS[spelling]


@pytest.mark.parametrize("name", [*CTRANSLATE2_REPOSITORIES, *CTRANSLATE2_REPOSITORIES.values()])
def test_every_known_name_and_repository_is_its_own_spelling(name: str) -> None:
    assert canonical_name(canonical_name(name)) == canonical_name(name)
    assert canonical_name(name) in CTRANSLATE2_REPOSITORIES


def test_models_for_english_alone_are_told_apart() -> None:
    assert is_english_only("Systran/faster-whisper-tiny.en")
    assert not is_english_only("tiny")
    assert not is_english_only("distil-large-v3")


def test_a_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    directory = complete(tmp_path / "mine")
    assert find_ctranslate2_weights(str(directory), tmp_path / "data") == directory


def test_a_directory_without_weights_says_what_is_missing(tmp_path: Path) -> None:
    (complete(tmp_path / "mine") / "tokenizer.json").unlink()
    with pytest.raises(ModelNotFound, match=r"tokenizer\.json missing"):
        find_ctranslate2_weights(str(tmp_path / "mine"), tmp_path / "data")


def test_a_path_to_nothing_is_not_taken_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="holds no CTranslate2 Whisper model"):
        find_ctranslate2_weights(str(tmp_path / "nothing"), tmp_path / "data")


@pytest.mark.parametrize("name", ["gigantic", "large-v9", "base2", "whisper-1"])
def test_an_unknown_name_lists_the_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"Known: tiny, .*large-v3-turbo.*turbo"):
        find_ctranslate2_weights(name, tmp_path)


def cached(hub: Path, repository: str) -> Path:
    """A repository as the hub's own library keeps it."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("a" * 40)
    return complete(folder / "snapshots" / ("a" * 40))


@pytest.mark.parametrize("model", ["tiny", "Systran/faster-whisper-tiny"])
def test_the_hubs_cache_is_used(no_hub: Path, model: str, tmp_path: Path) -> None:
    weights = cached(no_hub, "Systran/faster-whisper-tiny")
    assert find_ctranslate2_weights(model, tmp_path).resolve() == weights.resolve()


def test_any_repository_may_be_in_the_cache(no_hub: Path, tmp_path: Path) -> None:
    weights = cached(no_hub, "someone/whisper-finnish-ct2")
    assert find_ctranslate2_weights("someone/whisper-finnish-ct2", tmp_path).resolve() == weights.resolve()


def test_the_cache_goes_before_the_carried_weights(no_hub: Path, carried: Path, tmp_path: Path) -> None:
    weights = cached(no_hub, "Systran/faster-whisper-base")
    assert find_ctranslate2_weights("base", tmp_path / "data").resolve() == weights.resolve()


def test_a_cache_entry_without_weights_is_passed_over(no_hub: Path, carried: Path, tmp_path: Path) -> None:
    (cached(no_hub, "Systran/faster-whisper-base") / "model.bin").unlink()
    found = find_ctranslate2_weights("base", tmp_path / "data")
    assert (found / "model.bin").read_bytes() == b"".join(HALVES)


@pytest.mark.parametrize("model", ["base", "Systran/faster-whisper-base"])
def test_the_carried_halves_are_joined_once(carried: Path, model: str, tmp_path: Path) -> None:
    found = find_ctranslate2_weights(model, tmp_path / "data")
    assert (found / "model.bin").read_bytes() == b"".join(HALVES)
    assert sorted(path.name for path in found.iterdir()) == [
        "config.json", "model.bin", "tokenizer.json", "vocabulary.txt",
    ]  # fmt: skip
    (carried / "carried_part1" / "data" / "model.bin.part1").unlink()
    assert find_ctranslate2_weights(model, tmp_path / "data") == found


def test_damaged_halves_are_refused_and_nothing_is_left(carried: Path, tmp_path: Path) -> None:
    (carried / "carried_part2" / "data" / "model.bin.part2").write_bytes(b"bit rot")
    with pytest.raises(ModelNotFound, match="Install the two packages again"):
        find_ctranslate2_weights("base", tmp_path / "data")
    assert not list((tmp_path / "data").rglob("model.bin*"))


def test_only_base_is_carried(carried: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as raised:
        find_ctranslate2_weights("base.en", tmp_path)
    assert "HF_HUB_OFFLINE forbids asking the hub" in with_remedy(raised.value)


@pytest.mark.parametrize("model", ["small", "someone/whisper-finnish-ct2"])
def test_without_the_hub_a_model_says_what_to_do(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=model) as raised:
        find_ctranslate2_weights(model, tmp_path)
    assert "WHISPER_MODEL=base" in with_remedy(raised.value)


@pytest.mark.parametrize("model", ["some one/model", "a/b/c", "owner/na--me", "owner/.."])
def test_what_the_hub_would_never_take_is_not_found(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        find_ctranslate2_weights(model, tmp_path)
