"""A real browser for tests: headless Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 60.0  # seconds; only a very busy machine needs as much
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # that may be used unasked
)


class Page:
    """One tab, and what it complained about: console errors, exceptions, violations of its content security policy."""

    def __init__(self, commands: int, messages: int) -> None:
        self._commands = commands
        self._messages = messages
        self._unread = b""
        self._session: str | None = None
        self._number = 0
        self._has_loaded = False
        self._password = ""
        self.errors: list[str] = []
        self.requests: list[str] = []  # URLs

    def attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Returns once the page and all it names are loaded."""
        self._has_loaded = False
        failure = self.call("Page.navigate", url=url).get("errorText")
        assert not failure, f"{url}: {failure}"
        deadline = time.monotonic() + DEADLINE
        while not self._has_loaded:
            self._heed(self._read(deadline))

    def remember(self, password: str) -> None:
        """Answers a server that asks for a password, as whoever types it into the browser's prompt."""
        self._password = password
        self.call("Fetch.enable", handleAuthRequests=True)

    def run(self, script: str) -> Any:
        """What the expression, or the promise that it gives, comes to."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str) -> Any:
        """What the expression comes to once that is true."""
        deadline = time.monotonic() + DEADLINE
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"waited in vain: {script}"
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol (https://chromedevtools.github.io/devtools-protocol)."""
        number, deadline = self._send(method, **parameters), time.monotonic() + DEADLINE
        while (message := self._read(deadline)).get("id") != number:
            self._heed(message)
        assert "error" not in message, f"{method}: {message.get('error')}"
        result: dict[str, Any] = message["result"]
        return result

    def _send(self, method: str, **parameters: Any) -> int:
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        return self._number

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._messages], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser says nothing"
            chunk = os.read(self._messages, 1 << 20)
            assert chunk, "the browser has ended"
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _heed(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._has_loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Fetch.requestPaused":
                self._send("Fetch.continueRequest", requestId=parameters["requestId"])
            case "Fetch.authRequired":
                answer = {"response": "ProvideCredentials", "username": "anybody", "password": self._password}
                self._send("Fetch.continueWithAuth", requestId=parameters["requestId"], authChallengeResponse=answer)
            case "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] == "error":
                self.errors.append(str(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")


# Chromium reads commands from descriptor 3 and writes to 4.
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


def _pipe() -> tuple[int, int]:
    """With numbers that are none of Chromium's."""
    import fcntl  # which Windows has not

    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


def find() -> str:
    """The browser's program; skips the test if there is none."""
    found: Callable[[str], str | None] = shutil.which
    program = next((path for path in map(found, _NAMES) if path), None)
    if program is None or os.name == "nt":
        pytest.skip("no Chromium: apt-get install chromium, or another package of it")
    return program


@contextmanager
def browsing(profile: Path, *options: str) -> Iterator[Page]:
    """A browser of its own. profile: an empty directory; options: of Chromium's command line."""
    program = find()
    (commands_out, commands), (messages, messages_in) = _pipe(), _pipe()
    own = [*_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={profile}", *options]
    browser = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(commands_out), str(messages_in), program, *own],
        pass_fds=(commands_out, messages_in),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_out)
    os.close(messages_in)
    page = Page(commands, messages)
    try:
        page.attach()
        yield page
    finally:
        os.close(commands)  # at which it ends
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait(10)
        os.close(messages)
