"""The command's own process: streams that are closed or full."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from whisper_native.cli.main import run


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_standard_output_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["whisper-native", "--version"])
        assert run() == 1
    assert capsys.readouterr().err == "Standard output cannot be written: No space left on device.\n"


def test_closed_streams_are_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        for name in ("stdin", "stdout", "stderr"):
            patched.setattr(sys, name, None)
        patched.setattr(sys, "argv", ["whisper-native", "--version"])
        assert run() == 0
        for name in ("stdin", "stdout", "stderr"):
            getattr(sys, name).close()
