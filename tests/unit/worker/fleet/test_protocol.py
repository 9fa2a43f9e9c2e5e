"""Machines are upgraded one after the other: neighbouring versions work together, others are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer

from worker.fleet.protocol import PROTOCOL, announce_protocol, problem_with_versions
from worker.fleet.store_note import StoreNote
from worker.runtime.version import VERSION


@pytest.mark.parametrize("apart", [-1, 0, 1])
def test_the_version_before_and_the_next_one_are_welcome(apart: int) -> None:
    redis = FakeRedis()
    assert problem_with_versions(redis) is None, "versions before this said nothing"
    announce_protocol(redis, number=PROTOCOL + apart)
    assert problem_with_versions(redis) is None


@pytest.mark.fault(173)
@pytest.mark.parametrize(("apart", "says"), [(2, "this one is too old"), (-2, "that one is too old")])
def test_others_are_refused_by_name(apart: int, says: str) -> None:
    redis = FakeRedis()
    announce_protocol(redis, number=PROTOCOL + 2 + apart)
    problem = problem_with_versions(redis, PROTOCOL + 2)
    assert problem
    assert f"version {VERSION} on " in problem
    assert says in problem


def test_what_a_later_version_says_otherwise_is_no_number() -> None:
    redis = FakeRedis()
    redis.set("whisper:protocol:of-later", "version 9 on box")
    assert problem_with_versions(redis) is None


def test_a_process_looks_as_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer()
    monkeypatch.setattr("worker.fleet.store_note.connect_briefly", lambda url: FakeRedis(server=server))
    assert StoreNote(tmp_path).problem("redis://") is None
    assert FakeRedis(server=server).keys("whisper:protocol:*") == [f"whisper:protocol:{PROTOCOL}".encode()]
    announce_protocol(FakeRedis(server=server), number=PROTOCOL + 2)
    assert "too old" in (StoreNote(tmp_path).problem("redis://") or "")
