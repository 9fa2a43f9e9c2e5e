"""The command on a real terminal: bars on standard error, results on standard output, and what Ctrl-C does there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.client.command import Command
from tests.acceptance.live import LiveService, until

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

import pty


class Terminal:
    """A process whose standard input and error are a terminal; standard output too, unless it is a pipe."""

    def __init__(self, command: Command, *arguments: str | Path, piped: bool = False, **more: str) -> None:
        self._main, side = pty.openpty()
        os.set_blocking(self._main, False)
        env = {**command.environment, "TERM": "xterm-256color", "COLUMNS": "100", **more}
        self.process = subprocess.Popen(
            command.argv(*arguments),
            env=env,
            cwd=command.home,
            stdin=side,
            stdout=subprocess.PIPE if piped else side,
            stderr=side,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(side)
        self.shown = b""

    def read(self) -> str:
        """All that was shown so far, with the terminal's control sequences."""
        try:
            while more := os.read(self._main, 65536):
                self.shown += more
        except (BlockingIOError, OSError):
            pass
        return self.shown.decode(errors="replace")

    def press_ctrl_c(self) -> None:
        os.write(self._main, b"\x03")

    def ended(self, timeout: float = 60.0) -> int:
        """The exit code."""
        deadline = time.monotonic() + timeout
        while (code := self.process.poll()) is None:
            self.read()  # a terminal that nobody reads holds the program up
            assert time.monotonic() < deadline, self.read()
            time.sleep(0.02)
        self.read()
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._main)
        if self.process.stdout:
            self.process.stdout.close()


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_bars_show_how_far_it_is_and_results_are_left_alone(tmp_path: Path, slow: LiveService, talk_file: Path) -> None:
    shutil.copy(talk_file, tmp_path / "talk.flac")
    terminal = Terminal(Command(tmp_path, slow.url), "transcribe", "talk.flac", "-o", "-", piped=True)
    try:
        until(lambda: "transcribing" in terminal.read(), "the bar shows it")
        assert terminal.ended() == 0
        shown, stdout = terminal.read(), terminal.process.stdout
        assert stdout is not None
        assert "talk.flac" in shown
        assert re.search(r"\d+%", shown)
        assert "\x1b[" in shown
        result = stdout.read().decode()
        assert result.strip()
        assert "\x1b" not in result
    finally:
        terminal.close()


def test_results_on_the_same_terminal_stand_on_lines_of_their_own(
    tmp_path: Path, quick: LiveService, clip: Path
) -> None:
    shutil.copy(clip, tmp_path / "talk.wav")
    terminal = Terminal(Command(tmp_path, quick.url), "transcribe", "talk.wav", NO_COLOR="1")
    try:
        assert terminal.ended() == 0
        assert "\x1b[2Ktalk.txt\r\n" in terminal.read()  # above the bar, which is drawn anew
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.read())
    finally:
        terminal.close()


@pytest.mark.fault(151)
def test_ctrl_c_at_the_terminal(tmp_path: Path, slow: LiveService, talk_file: Path) -> None:
    shutil.copy(talk_file, tmp_path / "talk.flac")
    before = slow.job_ids()
    terminal = Terminal(Command(tmp_path, slow.url), "transcribe", "talk.flac", "--prompt", "interrupted")
    try:
        until(lambda: bool(terminal.read()) and len(slow.job_ids() - before) == 1, "it is a job")
        [job_id] = slow.job_ids() - before
        terminal.press_ctrl_c()
        until(lambda: job_id in terminal.read(), "the job is named")
        terminal.press_ctrl_c()
        assert terminal.ended() == 130
        assert f"Canceled: {job_id}" in terminal.read()
        assert slow.in_state(job_id, "canceled")
    finally:
        terminal.close()
