"""A real Firefox for tests, without a window, driven over its own Marionette protocol: length, colon, JSON."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 60.0  # seconds; only a very busy machine needs as much
_NAMES = ("firefox-esr", "firefox")
_PREFERENCES = {
    "marionette.port": 0,  # any free one, which it writes into its profile
    "media.autoplay.default": 0,  # plays unasked
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "intl.accept_languages": "en-GB",
}


class Firefox:
    """One window. (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html)"""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._unread = b""
        self._number = 0
        self._read()  # who it is
        self.call("WebDriver:NewSession")

    def close(self) -> None:
        self._socket.close()

    def open(self, url: str) -> None:
        self.call("WebDriver:Navigate", url=url)

    def run(self, script: str) -> Any:
        """What the expression comes to."""
        return self.call("WebDriver:ExecuteScript", script=f"return {script}", args=[])["value"]

    def until(self, script: str) -> Any:
        """What the expression comes to once that is true."""
        deadline = time.monotonic() + DEADLINE
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"waited in vain: {script}"
            time.sleep(0.05)
        return value

    def click(self, expression: str) -> None:
        """In the middle of the element, by a mouse."""
        element = self.call("WebDriver:ExecuteScript", script=f"return {expression}", args=[])["value"]
        moves = [
            {"type": "pointerMove", "origin": element, "x": 0, "y": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": moves}
        self.call("WebDriver:PerformActions", actions=[mouse])

    def type(self, text: str) -> None:
        """Into whatever has the focus; characters of WebDriver's private area stand for keys."""
        strokes = [{"type": kind, "value": sign} for sign in text for kind in ("keyDown", "keyUp")]
        self.call("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def call(self, command: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        sent = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(sent), sent))
        _, number, error, result = self._read()
        assert number == self._number
        assert error is None, f"{command}: {error}"
        return result or {}

    def _read(self) -> Any:
        while b":" not in self._unread:
            self._receive()
        length, _, self._unread = self._unread.partition(b":")
        while len(self._unread) < int(length):
            self._receive()
        message, self._unread = self._unread[: int(length)], self._unread[int(length) :]
        return json.loads(message)

    def _receive(self) -> None:
        chunk = self._socket.recv(1 << 16)
        assert chunk, "Firefox has ended"
        self._unread += chunk


@contextmanager
def browsing(profile: Path) -> Iterator[Firefox]:
    """A browser of its own; skips the test if there is none. profile: an empty directory."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Firefox: apt-get install firefox-esr, or another package of it")
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    options = ["--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    with open(profile / "output", "wb") as output:
        process = subprocess.Popen([program, *options], stdout=output, stderr=output)
    try:
        firefox = Firefox(_port(profile, process))
        yield firefox
        firefox.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + DEADLINE
    told = profile / "MarionetteActivePort"
    while not told.exists() or not told.read_text().strip():
        assert process.poll() is None, (profile / "output").read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, "Firefox does not start"
        time.sleep(0.05)
    return int(told.read_text())
