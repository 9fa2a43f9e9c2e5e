"""The log is rotated while processes write to it: no line is lost or torn, and nobody waits for another."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.service import log_file
from scripts.service.log_file import LogRotation
from tests.unit.factories import wait_for
from worker.runtime.log_file import LOG_FILE

ROOT = Path(__file__).parents[4]
# Writes numbered lines in JSON, until it is told to stop; then a last one, without a line's end.
TALKER = """
import os, sys, logging
from worker.runtime import log_file, logs
log_file.FOLLOW_EVERY = 0.01
logs.set_up("worker", "INFO", "json")
log_file.follow()
number = 0
while not os.path.exists(sys.argv[1]):
    logging.info("%d", number)
    number += 1
print("last words", file=sys.stderr)
"""


# A supervisor whose own output is the file named.
SUPERVISOR = """
import pathlib, sys
from scripts.service import log_file
from scripts.service.supervisor import ChildSpec, Supervisor
from worker.runtime import logs
log = pathlib.Path(sys.argv[1])
logs.set_up("service", "INFO", "text")
log_file.MAX_BYTES = 20_000
rotation = log_file.LogRotation(log)
rotation.look()
child = ChildSpec("child", (sys.executable, "-c", "import time; print('said by a child', flush=True); time.sleep(60)"))
Supervisor([child], should_stop=lambda: "said by a child" in log.read_text(), each_round=rotation.look).run()
"""


@pytest.fixture
def talker(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output is `log`, as those of a service that was started in the background."""
    env = {**os.environ, LOG_FILE: str(tmp_path / "log")}
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", TALKER, str(tmp_path / "stop")], env=env, cwd=ROOT, stdout=log, stderr=log
        )
    with process:
        yield process
        process.kill()


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_lines_that_are_written_while_it_is_rotated_are_all_there(
    talker: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    wait_for(lambda: size(log) > 20_000)
    monkeypatch.setattr(log_file, "MAX_BYTES", 20_000)
    LogRotation(None, [log]).look()
    wait_for(lambda: size(log) > 10_000)  # it goes on in the new one, which nobody but itself has made
    (tmp_path / "stop").touch()
    assert talker.wait(30) == 0
    *lines, last = [*(tmp_path / "log.1").read_text().splitlines(), *log.read_text().splitlines()]
    assert last == "last words", "what is no logging follows too"
    assert [json.loads(line)["message"] for line in lines] == [str(number) for number in range(len(lines))]


def test_a_small_one_is_left_alone(talker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    wait_for(lambda: size(tmp_path / "log") > 1000)
    LogRotation(None, [tmp_path / "log", tmp_path / "none"]).look()
    assert not (tmp_path / "log.1").exists()


def test_a_flood_replaces_no_file_that_processes_still_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setattr(log_file, "MAX_BYTES", 10)
    monkeypatch.setattr(log_file, "reopen", lambda path: path.touch())  # not pytest's own output
    rotation = LogRotation(log)
    for text in ("first, and long", "second, and long"):
        log.write_text(text)
        rotation.look()
    assert (tmp_path / "log.1").read_text() == "first, and long"
    assert log.read_text() == "second, and long"


def test_the_supervisor_goes_on_in_the_new_one_and_its_next_child_too(tmp_path: Path) -> None:
    """In a process of its own, since its standard output is what is rotated."""
    log = tmp_path / "log"
    with log.open("ab") as file:
        file.write(b"x" * 30_000 + b"\n")
        ended = subprocess.run(
            [sys.executable, "-c", SUPERVISOR, str(log)], cwd=ROOT, stdout=file, stderr=file, timeout=60, check=False
        )
    assert ended.returncode == 0, log.read_text()
    assert (tmp_path / "log.1").read_bytes().startswith(b"x" * 30_000)
    assert f"what was before is in {log}.1" in log.read_text()
    assert "said by a child" in log.read_text()


def test_a_disk_that_takes_nothing_ends_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100)
    monkeypatch.setattr(log_file, "MAX_BYTES", 10)
    reopened: list[Path] = []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    rotation = LogRotation(log, [tmp_path / "other"])
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        rotation.look()
    assert log.exists()
    monkeypatch.setattr(log_file, "reopen", full)
    rotation.look()
    assert not log.exists()
    monkeypatch.setattr(log_file, "reopen", reopened.append)
    rotation.look()
    rotation.look()
    assert reopened == [log]
