"""A backup made while the service runs, by the commands of docs/DEPLOY.md, has all that was promised by then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.live import ROOT, LiveService

PAGE = ROOT / "docs" / "DEPLOY.md"


def backup(source: Path, target: Path) -> None:
    """Runs what the page says, with these directories in place of its own."""
    block = re.search(r"<!-- backup -->\n```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    script = block[1].replace("cp -p .env", "true").replace("/backup/whisper-native", str(target))
    script = script.replace(" data/", f" {source}/")
    subprocess.run(["sh", "-eu", "-c", script], check=True, capture_output=True)


@pytest.mark.slow
def test_nothing_that_was_promised_is_lost(slow: LiveService, clip: Path, tmp_path: Path) -> None:
    """Takes as long as a second service, whose empty Redis has to be filled, and three jobs of 3 s: slow."""
    header = {"idempotency-key": "backed-up"}

    def submit(service: LiveService) -> str:
        with open(clip, "rb") as file:
            answer = service.post("/v1/jobs", files={"file": (clip.name, file)}, headers=header)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    finished = slow.ended(slow.submit(clip))["id"]
    text = slow.get(f"/v1/jobs/{finished}/transcript").text
    running, claimed = slow.submit(clip), submit(slow)
    slow.in_state(running, "started")
    restored = LiveService(tmp_path, {"WHISPER_ENGINE": "fake", "WHISPER_MODEL": "3", "WHISPER_TIME_SCALE": "0.1"})
    backup(slow.data, restored.data)
    for job in (running, claimed):
        slow.post(f"/v1/jobs/{job}/cancel")

    restored.start()
    try:
        assert restored.get(f"/v1/jobs/{finished}/transcript").text == text
        assert {restored.ended(job)["status"] for job in (running, claimed)} == {"finished"}
        assert submit(restored) == claimed, "its idempotency key came along"
        secret = slow.data / "webhook-secret"
        assert not secret.exists() or (restored.data / "webhook-secret").read_bytes() == secret.read_bytes()
    finally:
        restored.stop()
