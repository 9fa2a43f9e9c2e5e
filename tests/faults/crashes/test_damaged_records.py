"""A record that cannot be read costs its own job and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService, assert_error
from tests.services import Start

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "torn": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "another thing": lambda content: b"[]",
}


@pytest.mark.fault(67)
@pytest.mark.slow
def test_a_service_starts_and_serves_in_spite_of_damaged_records(start_service: Start, clip: Path) -> None:
    """Slow: two starts and eight jobs; what becomes of each damage is in tests/unit/worker/store and maintenance."""
    service: LiveService = start_service("damaged", WHISPER_ENGINE="fake")
    places = [(how, name) for how in DAMAGE for name in ("job.json", "outcome.json")]
    damaged = {place: service.submit(clip) for place in places}
    good = service.submit(clip)
    for job_id in [*damaged.values(), good]:
        assert service.ended(job_id)["status"] == "finished"
    service.stop()
    for (how, name), job_id in damaged.items():
        path = service.data / "jobs" / job_id / name
        path.write_bytes(DAMAGE[how](path.read_bytes()))
    service.start()
    assert [job["id"] for job in service.get("/v1/jobs").json()["data"]] == [good]
    for (_, name), job_id in damaged.items():
        message = assert_error(service.get(f"/v1/jobs/{job_id}"), 500, "server_error", "id")
        assert f"{name} is damaged" in message
        assert (service.data / "jobs" / job_id / "source").read_bytes() == clip.read_bytes()
    assert service.ended(service.submit(clip))["status"] == "finished"
    assert "Traceback" not in service.log()
