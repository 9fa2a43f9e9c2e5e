"""Which store it is follows from the settings alone, and what is wrong with it is said with what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from pydantic import ValidationError

from scripts.doctor import store as doctor
from tests.unit.api_service import worker_settings
from worker.settings import WorkerSettings
from worker.store import factory
from worker.store.errors import StoreUnfit
from worker.store.job_store import LocalStore
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore
from worker.store.store_id import store_id

SHARED = "s3://bucket/prefix"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    memory = MemoryStore()
    monkeypatch.setattr(Bucket, "at", lambda url, **config: Bucket(memory))
    return memory


def test_jobs_are_in_the_data_directory_unless_a_store_is_named(tmp_path: Path, memory: MemoryStore) -> None:
    local, shared = worker_settings(data_dir=tmp_path), worker_settings(data_dir=tmp_path, store=SHARED)
    assert isinstance(factory.open_store(local), LocalStore)
    assert isinstance(factory.open_store(shared), ObjectStore)
    assert factory.identity(local) == store_id(tmp_path)
    assert factory.place(shared) == SHARED


def test_a_shared_store_is_the_same_from_every_machine(tmp_path: Path, memory: MemoryStore) -> None:
    machines = [worker_settings(data_dir=tmp_path / name, store=SHARED) for name in ("a", "b")]
    first, second = map(factory.identity, machines)
    assert first == second != store_id(tmp_path)


def test_its_keys_have_the_usual_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.lan")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    settings = WorkerSettings(_env_file=None, store=SHARED)  # type: ignore[call-arg]
    assert settings.store_config == {"endpoint": "https://store.lan", "secret_access_key": "hush"}
    assert "hush" not in repr(settings)


def test_keys_that_are_missing_are_named(tmp_path: Path) -> None:
    settings = worker_settings(data_dir=tmp_path, store=SHARED, aws_endpoint_url="https://store.lan")
    with pytest.raises(StoreUnfit, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        factory.open_store(settings)


@pytest.mark.parametrize("url", ["bucket", "s3://", "http://store/bucket", "gs://bucket"])
def test_what_is_no_store_is_refused_with_the_settings(url: str) -> None:
    with pytest.raises(ValidationError, match="not of the form s3://bucket"):
        worker_settings(store=url)


def test_without_its_client_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("obstore", "worker.store.objects.bucket"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(StoreUnfit, match="make engine EXTRA=s3"):
        factory.open_store(worker_settings(store=SHARED))


@pytest.mark.parametrize("open_it", [factory.open_store, factory.identity])
def test_a_store_that_cannot_be_reached_says_what_to_check(
    open_it: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("worker.store.objects.bucket.TRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    settings = worker_settings(
        store=SHARED, data_dir=tmp_path, aws_access_key_id="a", aws_secret_access_key="b", aws_region="us-east-1"
    )
    with pytest.raises(StoreUnfit, match=r"does not answer.*Check that s3://bucket/prefix .*AWS_ENDPOINT_URL"):
        open_it(settings)


@pytest.mark.fault(182)
def test_the_doctor_tries_a_shared_store(tmp_path: Path, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = worker_settings(data_dir=tmp_path, store=SHARED)
    found = doctor.shared_store(settings)
    assert found is not None
    assert found.state == "OK"
    assert "honours conditions" in found.detail
    monkeypatch.setattr(Bucket, "create", lambda bucket, key, data: bucket.put(key, data))
    found = doctor.shared_store(settings)
    assert found is not None
    assert found.state == "FAILURE"
    assert "ignores conditions" in found.detail
    assert doctor.shared_store(worker_settings(data_dir=tmp_path)) is None
