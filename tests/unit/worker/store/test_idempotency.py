"""One request at a time holds a key; what it says counts while its job is there; a dead process holds nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from worker.store.idempotency import Claim, ClaimBusy, Claimed
from worker.store.local.claims import LocalClaims
from worker.store.record_format import RecordUnreadable

ROOT = Path(__file__).parents[4]
JOB = Claimed("job_1", "abc")


@pytest.fixture
def claims(tmp_path: Path) -> LocalClaims:
    return LocalClaims(tmp_path / "claims")


def files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "claims").iterdir())


def test_a_key_nothing_was_written_for_leaves_no_file(claims: LocalClaims, tmp_path: Path) -> None:
    claims.hold("key").release()
    claim = claims.hold("key")
    claim.write(JOB)
    claim.clear()
    claim.release()
    assert files(tmp_path) == []


def test_a_torn_file_counts_as_none(claims: LocalClaims, tmp_path: Path) -> None:
    claim = claims.hold("key")
    claim.write(JOB)
    claim.release()
    files(tmp_path)[0].write_text('{"job_id": "job_1", "fing', encoding="utf-8")
    assert claims.read("key") is None
    claim = claims.hold("key")
    assert claim.read() is None
    claim.release()


def test_a_claim_that_only_a_newer_version_reads_is_kept(claims: LocalClaims, tmp_path: Path) -> None:
    claim = claims.hold("key", "anna", "1")
    claim.write(Claimed("job_1", "abc"))
    claim.release()
    path = next(path for path in tmp_path.rglob("*") if path.is_file())
    path.write_text('{"format": 2, "job": "job_1"}')
    with pytest.raises(RecordUnreadable, match="format 2, which a newer version wrote"):
        claims.read("key", "anna", "1")
    claims.sweep(lambda job_id: False)
    assert path.exists()


def test_fifty_threads_one_holder(claims: LocalClaims) -> None:
    """Whoever gets it writes once; no two ever hold it together, though its file comes and goes."""
    inside, most = [0], [0]

    def work() -> None:
        claim = claims.hold("key", patience=30)
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        inside[0] -= 1
        claim.release()  # removes the file

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == ([1], [0])


def test_a_killed_process_holds_nothing(claims: LocalClaims, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from worker.store.local.claims import LocalClaims\n"
        "claim = LocalClaims(pathlib.Path(sys.argv[1])).hold('key')\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "claims")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ClaimBusy):
            claims.hold("key")
        process.kill()
        process.wait()
        claims.hold("key", patience=10).release()


def test_sweeping_removes_the_claims_whose_job_is_gone(claims: LocalClaims, tmp_path: Path) -> None:
    kept: list[Claim] = []
    for name in ("there", "gone", "held"):
        claim = claims.hold(name)
        claim.write(Claimed(name, "abc"))
        claim.release()
    kept.append(claims.hold("held"))
    (tmp_path / "claims" / "torn").write_bytes(b"{")
    claims.sweep(lambda job_id: job_id == "there")
    assert claims.read("there") == Claimed("there", "abc")
    assert claims.read("gone") is None
    assert claims.read("held") is not None  # another request decides what it says
    kept[0].release()
    claims.sweep(lambda job_id: job_id == "there")
    assert len(files(tmp_path)) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say which files are open")
def test_a_file_system_without_locks_costs_no_open_files(
    claims: LocalClaims, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("worker.store.local.claims.try_lock", fails)
    with pytest.raises(OSError, match="No locks"):
        claims.hold("key")
    kept = {os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()}
    assert not any(path.startswith(str(tmp_path)) for path in kept)
