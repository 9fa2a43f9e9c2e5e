"""Engines go by name; one that cannot be had says what it needs, and none is imported before it is asked for."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from engines import registry
from engines.backends.fake import FakeEngine
from engines.errors import EngineUnavailable
from engines.registry import ENGINES, EXTRAS, LIBRARIES, EngineOptions, create_engine, fastest_engine, is_installed
from scripts import setup_environment
from worker.models.remedies import with_remedy

ROOT = Path(__file__).parents[3]


def test_an_engine_gets_its_options() -> None:
    engine = create_engine("fake", EngineOptions(model="0.5", lanes=3, max_batch=7))
    assert isinstance(engine, FakeEngine)
    assert (engine.model, engine.lanes, engine.max_batch) == ("0.5", 3, 7)


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_in_the_list_can_be_made_or_says_what_to_install(name: str) -> None:
    if not is_installed(name):
        with pytest.raises(EngineUnavailable) as raised:
            create_engine(name, EngineOptions(device="cpu"))
        assert f"make engine EXTRA={EXTRAS[name]}" in with_remedy(raised.value)
        return
    engine = create_engine(name, EngineOptions(device="cpu"))
    assert engine.name == name
    assert engine.lanes >= 1
    assert engine.max_batch >= 1


def test_auto_takes_the_one_that_runs_everywhere() -> None:
    assert create_engine("auto", EngineOptions(device="cpu")).name == "faster-whisper"


@pytest.fixture
def mlx(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if mlx-whisper were installed."""
    monkeypatch.setattr(registry, "is_installed", lambda name: name == "mlx-whisper")


APPLE_SILICON = ("Darwin", "arm64")


@pytest.mark.usefixtures("mlx")
@pytest.mark.parametrize("device", ["auto", "mps", "metal"])
def test_auto_takes_the_gpu_of_a_mac(device: str) -> None:
    assert fastest_engine(EngineOptions(device=device), *APPLE_SILICON) == "mlx-whisper"


@pytest.mark.usefixtures("mlx")
@pytest.mark.parametrize(
    "machine", [("Darwin", "x86_64"), ("Linux", "aarch64"), ("Linux", "x86_64"), ("Windows", "AMD64")]
)
def test_auto_takes_faster_whisper_on_other_machines(machine: tuple[str, str]) -> None:
    assert fastest_engine(EngineOptions(), *machine) == "faster-whisper"


@pytest.mark.usefixtures("mlx")
def test_auto_takes_what_can_do_as_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    for options in (
        EngineOptions(device="cpu"),
        EngineOptions(compute_type="int8"),
        EngineOptions(model=str(tmp_path)),
    ):
        assert fastest_engine(options, *APPLE_SILICON) == "faster-whisper"


def test_auto_takes_faster_whisper_on_a_mac_that_lacks_mlx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "is_installed", lambda name: False)
    assert fastest_engine(EngineOptions(), *APPLE_SILICON) == "faster-whisper"


@pytest.mark.parametrize("device", ["mps", "metal"])
def test_faster_whisper_says_what_runs_on_a_macs_gpu(device: str) -> None:
    with pytest.raises(EngineUnavailable) as raised:
        create_engine("faster-whisper", EngineOptions(device=device))
    assert "WHISPER_ENGINE=mlx-whisper" in with_remedy(raised.value)


def test_an_unknown_engine_lists_the_known() -> None:
    with pytest.raises(EngineUnavailable, match=r"no engine 'whisper-9'.*auto.*faster-whisper"):
        create_engine("whisper-9", EngineOptions())


def lacking(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Makes an import of `module` fail as if it were not installed."""
    monkeypatch.delitem(sys.modules, "engines.backends.faster_whisper", raising=False)
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


def test_an_engine_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "ctranslate2")
    with pytest.raises(EngineUnavailable, match="needs the package ctranslate2") as raised:
        create_engine("faster-whisper", EngineOptions())
    assert "make whisper-native" in with_remedy(raised.value)


def test_every_extra_is_one_of_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"]) - {"dev", "mcp", "server", "speakers-test"}
    assert set(EXTRAS.values()) <= extras == set(setup_environment.EXTRAS)
    assert set(EXTRAS) == set(LIBRARIES) - {"faster-whisper"}


def test_a_broken_installation_is_not_called_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "engines.text.segments")
    with pytest.raises(ModuleNotFoundError, match=r"engines\.text\.segments"):
        create_engine("faster-whisper", EngineOptions())
