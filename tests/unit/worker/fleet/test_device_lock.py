"""Two workers of a data directory never share a device of one machine, and those of two do, be one a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from worker.fleet.device_lock import device_lock


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_device_is_held_on_this_machine_while_its_worker_lives(local: Path) -> None:
    with device_lock(local / "a", "CUDA:1"), device_lock(local / "b", "cuda:1"), device_lock(local / "a", "cuda:0"):
        held = list(local.glob("whisper-native-*/*.cuda-1.lock"))
        assert len(held) == 2
        for path in held:
            with pytest.raises(Timeout):
                FileLock(path).acquire(timeout=0)
    with device_lock(local / "a", "cuda:1"):
        pass


def test_a_place_that_is_not_ours_is_not_used(local: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere, data = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("data")
    with device_lock(data, "cpu"):
        (ours,) = local.glob("whisper-native-*")
    for path in ours.iterdir():
        path.unlink()
    ours.rmdir()
    ours.symlink_to(elsewhere, target_is_directory=True)
    with device_lock(data, "cpu"):
        assert list(data.glob("*.cpu.lock"))
    assert list(elsewhere.iterdir()) == []
