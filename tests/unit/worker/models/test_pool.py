"""Jobs take the models they name; few are loaded at once, and each gets its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from engines.decoding.batcher import Batcher
from engines.errors import ModelNotFound
from tests.unit.factories import DEADLINE, ScriptedEngine, make_window, wait_for
from worker.models import pool
from worker.models.names import ModelNames
from worker.models.pool import ModelPool


class Loader:
    """Loads models whose names do not begin with `no`; remembers the order, and what is loaded now."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.engines: dict[str, ScriptedEngine] = {}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, model: str) -> Batcher:
        assert self.gate.wait(DEADLINE)
        self.loaded.append(model)
        if model.startswith("no"):
            raise ModelNotFound()
        engine = self.engines[model] = ScriptedEngine()
        batcher = Batcher(engine)
        batcher.start()
        return batcher

    @property
    def alive(self) -> list[str]:
        return [name for name, engine in self.engines.items() if "close" not in engine.threads]


class Job(threading.Thread):
    """Takes a model and holds it until it is told to let go. error: what `take` raised."""

    def __init__(self, pool: ModelPool, model: str, check: Callable[[], None] = lambda: None) -> None:
        super().__init__(daemon=True)
        self._pool, self._model, self._check = pool, model, check
        self._done = threading.Event()
        self.has_it = threading.Event()
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with self._pool.use(self._model, self._check):
                self.has_it.set()
                self._done.wait()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def let_go(self) -> None:
        self._done.set()
        self.join(DEADLINE)
        assert not self.is_alive()


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LOOK_EVERY", 0.01)


@pytest.fixture
def loader() -> Iterator[Loader]:
    loader = Loader()
    yield loader
    loader.gate.set()


def is_waiting(pool: ModelPool, jobs: int) -> bool:
    return len(pool._waiting) == jobs


def use(pool: ModelPool, model: str) -> None:
    with pool.use(model):
        pass


def test_a_model_is_loaded_once_for_all_its_jobs(loader: Loader) -> None:
    pool = ModelPool(loader)
    jobs = [Job(pool, "base") for _ in range(5)]
    for job in jobs:
        assert job.has_it.wait(DEADLINE)
    for job in jobs:
        job.let_go()
    use(pool, "base")
    assert loader.loaded == ["base"]
    assert pool.loaded == ("base",)


def test_the_least_recently_used_makes_room(loader: Loader) -> None:
    pool = ModelPool(loader, most=2)
    for model in ("tiny", "base", "tiny", "small"):
        use(pool, model)
    assert pool.loaded == ("tiny", "small")
    assert loader.alive == ["tiny", "small"]


def test_the_leaving_model_is_gone_before_the_next_is_loaded(loader: Loader) -> None:
    """Or both would need the device's memory at once."""
    alive: list[list[str]] = []

    def load(model: str) -> Batcher:
        alive.append(loader.alive)
        return loader(model)

    pool = ModelPool(load)
    use(pool, "base")
    use(pool, "small")
    assert alive == [[], []]


def test_a_pass_that_hangs_in_a_leaving_model_is_still_seen(loader: Loader) -> None:
    pool = ModelPool(loader)
    with pool.use("a") as batcher:
        engine = loader.engines["a"]
        engine.gate.clear()
        stream = batcher.open("batch")
        stream.submit(make_window())
        assert engine.entered.acquire(timeout=DEADLINE)
        stream.close()
    other = Job(pool, "b")
    wait_for(lambda: pool.loaded == ())
    assert pool.oldest_pass() > 0
    engine.gate.set()
    assert other.has_it.wait(DEADLINE)
    assert pool.oldest_pass() == 0
    other.let_go()


def test_a_model_in_use_keeps_its_place_for_its_turn(loader: Loader) -> None:
    asked: list[str] = []
    pool = ModelPool(loader, turn=1000, make_room=asked.append)
    first = Job(pool, "base")
    assert first.has_it.wait(DEADLINE)
    second = Job(pool, "small")
    assert not second.has_it.wait(0.1)
    assert asked == []
    first.let_go()
    assert second.has_it.wait(DEADLINE)
    second.let_go()


def test_after_its_turn_its_jobs_are_asked_to_go_and_new_ones_wait(loader: Loader) -> None:
    asked: list[str] = []
    pool = ModelPool(loader, turn=0.0, make_room=asked.append)
    long = Job(pool, "base")
    assert long.has_it.wait(DEADLINE)
    other = Job(pool, "small")
    wait_for(lambda: asked)
    again = Job(pool, "base")
    assert not again.has_it.wait(0.05)
    long.let_go()
    assert other.has_it.wait(DEADLINE)
    other.let_go()
    assert again.has_it.wait(DEADLINE)
    again.let_go()
    assert asked[0] == "base"
    assert loader.loaded == ["base", "small", "base"]


def test_while_nobody_wants_another_a_model_stays(loader: Loader) -> None:
    asked: list[str] = []
    pool = ModelPool(loader, turn=0.0, make_room=asked.append)
    job = Job(pool, "base")
    assert job.has_it.wait(DEADLINE)
    use(pool, "base")
    job.let_go()
    assert (asked, loader.loaded) == ([], ["base"])


def test_who_waits_longest_goes_first(loader: Loader) -> None:
    pool = ModelPool(loader, turn=1000)
    first = Job(pool, "base")
    assert first.has_it.wait(DEADLINE)
    jobs = []
    for number, model in enumerate(("small", "medium", "tiny")):
        jobs.append(Job(pool, model))
        wait_for(partial(is_waiting, pool, number + 1))
    for job in [first, *jobs]:
        assert job.has_it.wait(DEADLINE)
        job.let_go()
    assert loader.loaded == ["base", "small", "medium", "tiny"]


def test_a_model_that_cannot_be_loaded_fails_its_own_jobs_only(loader: Loader) -> None:
    pool = ModelPool(loader, most=2)
    use(pool, "base")
    with pytest.raises(ModelNotFound):
        pool.take("nonsense")
    use(pool, "base")
    assert loader.loaded == ["base", "nonsense"]
    assert pool.idle_for() >= 0


def test_a_job_that_is_not_wanted_any_more_stops_waiting(loader: Loader) -> None:
    pool = ModelPool(loader, turn=1000)
    first = Job(pool, "base")
    assert first.has_it.wait(DEADLINE)
    canceled = threading.Event()

    def check() -> None:
        if canceled.is_set():
            raise InterruptedError

    second = Job(pool, "small", check)
    canceled.set()
    second.join(DEADLINE)
    assert isinstance(second.error, InterruptedError)
    first.let_go()
    use(pool, "base")
    assert loader.loaded == ["base"]


def test_it_is_idle_when_no_job_has_or_wants_a_model(loader: Loader) -> None:
    pool = ModelPool(loader)
    job = Job(pool, "base")
    assert job.has_it.wait(DEADLINE)
    assert pool.idle_for() == 0.0
    job.let_go()
    wait_for(lambda: pool.idle_for() > 0.0)


def test_what_is_loaded_is_told(loader: Loader) -> None:
    told: list[Any] = []
    pool = ModelPool(loader, changed=told.append)
    use(pool, "base")
    with pytest.raises(ModelNotFound):
        pool.take("nonsense")
    assert told == [("base",), ()]


def test_a_model_whose_loading_cannot_be_told_is_taken_all_the_same(loader: Loader) -> None:
    """Else nobody would let go of it, and no other model have its place."""

    def fails(loaded: tuple[str, ...]) -> None:
        raise OSError("The disk does not say which store this is")

    pool = ModelPool(loader, changed=fails)
    use(pool, "base")
    use(pool, "small")
    assert pool.loaded == ("small",)


def test_a_model_is_meant_by_any_of_its_spellings() -> None:
    names = ModelNames.of("Systran/faster-whisper-base", ("small", "base", "whisper-small", "someone/mine"))
    assert names == ModelNames("base", ("small", "someone/mine"))
    assert names.meaning("whisper-1") == names.meaning("gpt-4o-transcribe") == names.meaning("BASE") == "base"
    assert names.meaning("Systran/faster-whisper-small") == "small"
    assert names.meaning("someone/mine") == "someone/mine"
    assert names.meaning("large-v3") is None
