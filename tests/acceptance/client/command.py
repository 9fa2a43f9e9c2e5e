"""The command as a user starts it: a process of its own, with nothing in its environment but what a test says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
TIMEOUT = 120.0  # seconds


@dataclass
class Command:
    """home: of the user. url: of the server it is told of."""

    home: Path
    url: str = ""
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHISPER_", "OPENAI_"))}
        own = {"PYTHONPATH": str(ROOT), "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        return {**kept, **own, **({"WHISPER_URL": self.url} if self.url else {}), **self.more}

    def argv(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "whisper_native", *(os.fspath(argument) for argument in arguments)]

    def run(
        self, *arguments: str | Path, cwd: Path | None = None, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(*arguments),
            env=self.environment,
            cwd=cwd or self.home,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )

    def lines(self, *arguments: str | Path, code: int = 0, cwd: Path | None = None) -> list[str]:
        """What it prints on standard output when it ends with this exit code."""
        ended = self.run(*arguments, cwd=cwd)
        assert ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
        return ended.stdout.decode().splitlines()

    @contextmanager
    def started(self, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """A process that is ended with the block at the latest."""
        process = subprocess.Popen(
            self.argv(*arguments),
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
