"""What the tests of a transcript's view have in common: jobs of the running service, opened in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.live import LiveService, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAVED = ".tr-save:has-text('All changes saved')"
GO = """hash => {
  if (location.hash === hash) return;
  document.querySelector("[data-ready]")?.removeAttribute("data-ready"); // the view that is left stays for a moment
  location.hash = hash;
}"""
NOTE = """() => {
  window.sought = [];
  document.querySelector("audio").addEventListener("seeking", event => sought.push(event.target.currentTime));
}"""  # where the recording is begun at, however soon one looks

LISTEN = """() => {
  const region = document.getElementById("announcements");
  window.announced = [];
  new MutationObserver(() => announced.push(region.textContent)).observe(region, {childList: true});
}"""  # to what a screen reader says


def finished(service: LiveService, path: Path, **fields: Any) -> str:
    """A recording's job once it has ended; its id."""
    job_id = service.submit(path, **fields)
    job = service.ended(job_id)
    assert job["status"] == "finished", job
    return job_id


def show(page: Page, job_id: str, moment: str = "") -> None:
    """Opens a finished job in a page that is there already."""
    page.evaluate(GO, f"#/jobs/{job_id}{moment}")
    page.wait_for_selector("[data-ready]")


def segments(service: LiveService, job_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = service.get(f"/v1/jobs/{job_id}/transcript", format="verbose_json", **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["segments"]
    return found


def correct(service: LiveService, job_id: str, number: int, text: str) -> None:
    """As somebody else does, by the API."""
    with service.http() as client:
        path = f"/v1/jobs/{job_id}/transcript"
        body = {"segments": [{"id": number, "text": text}]}
        answer = client.patch(path, json=body, headers={"if-match": "*"})
    assert answer.status_code == 200, answer.text


def said(page: Page, number: int) -> Any:
    """The locator of a segment's text."""
    return page.locator(".tr-said").nth(number)


def write(page: Page, number: int, text: str) -> None:
    """In place of a segment's text, as typed; it is not saved yet."""
    said(page, number).dblclick()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def comes_true(page: Page, expression: str) -> None:
    """Waits for it. (Playwright's own way needs `eval`, which the page's policy forbids.)"""
    until(lambda: page.evaluate(expression), expression)


def time_of(page: Page) -> float:
    seconds: float = page.evaluate("document.querySelector('audio').currentTime")
    return seconds


def plays(page: Page, moment: float) -> None:
    """Waits until the recording plays, and from that moment on; it was listened to by `NOTE` before."""
    until(lambda: page.evaluate("sought.at(-1)") == pytest.approx(moment, abs=0.1), f"it plays from {moment}")
    comes_true(page, "!document.querySelector('audio').paused")
