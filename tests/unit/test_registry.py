"""Engines go by name; one that cannot be had says what it needs, and none is imported before it is asked for."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest

from engines.errors import EngineUnavailable
from engines.fake import FakeEngine
from engines.registry import ENGINES, EXTRAS, LIBRARIES, EngineOptions, create_engine
from scripts import setup_environment

ROOT = Path(__file__).parents[2]


def test_an_engine_gets_its_options() -> None:
    engine = create_engine("fake", EngineOptions(model="0.5", lanes=3, max_batch=7))
    assert isinstance(engine, FakeEngine)
    assert (engine.model, engine.lanes, engine.max_batch) == ("0.5", 3, 7)


def is_installed(name: str) -> bool:
    return all(map(importlib.util.find_spec, LIBRARIES.get(name, ())))


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_in_the_list_can_be_made_or_says_what_to_install(name: str) -> None:
    if not is_installed(name):
        with pytest.raises(EngineUnavailable, match=f"make engine EXTRA={EXTRAS[name]}"):
            create_engine(name, EngineOptions(device="cpu"))
        return
    engine = create_engine(name, EngineOptions(device="cpu"))
    assert engine.name == name
    assert engine.lanes >= 1
    assert engine.max_batch >= 1


def test_auto_takes_the_one_that_runs_everywhere() -> None:
    assert create_engine("auto", EngineOptions(device="cpu")).name == "faster-whisper"


def test_an_unknown_engine_lists_the_known() -> None:
    with pytest.raises(EngineUnavailable, match=r"no engine 'whisper-9'.*auto.*faster-whisper"):
        create_engine("whisper-9", EngineOptions())


def lacking(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Makes an import of `module` fail as if it were not installed."""
    monkeypatch.delitem(sys.modules, "engines.faster_whisper", raising=False)
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


def test_an_engine_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "ctranslate2")
    with pytest.raises(EngineUnavailable, match="needs the package ctranslate2"):
        create_engine("faster-whisper", EngineOptions())


def test_every_extra_is_one_of_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"]) - {"dev"} == set(setup_environment.EXTRAS)
    assert set(EXTRAS) == set(LIBRARIES) - {"faster-whisper"}


def test_a_broken_installation_is_not_called_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "engines.segments")
    with pytest.raises(ModuleNotFoundError, match=r"engines\.segments"):
        create_engine("faster-whisper", EngineOptions())
